"""Tools by text, for a deployment that takes none (pure).

On the way out the tools are described in the system message, and the calls and results
of the conversation become text. What comes back is read by `written_calls`. The format
is Hermes', which many open models have learned:

    <tool_call>
    {"name": "read_file", "arguments": {"path": "a.py"}}
    </tool_call>

and the result in the next message of the user, between <tool_response> tags. A file is
written as `whole_files` reads it: its path, and behind it the file in a code block. Few
small models can escape one for JSON.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from crew.calls.tool_signatures import signature
from crew.calls.whole_files import NamedFile, written

Message = Mapping[str, Any]

# Without an example, which small models copy.
FILES = """\
To write a file, answer with its path on a line of its own and, behind it, the whole \
file in a code block: every line of it, also those that stay."""
TOOLS = """\
{heading}
{tools}

To use one, answer with nothing but
<tool_call>
{{"name": "the tool's name", "arguments": {{"each argument's name": "its value"}}}}
</tool_call>
The result comes in the next message: never write it yourself. Describing a call does \
nothing. When none is left to make, give your final answer in plain text."""
# Goes behind the task: small models forget what was said before it.
REMINDER = (
    '(To use a tool, answer with <tool_call>{{"name": ..., "arguments": {{...}}}}'
    "</tool_call> alone. Tools: {names}.)"
)
# Nothing of a final answer: small models then give that at once.
WRITE = (
    "(Write {what} now: answer with {path} on a line and, behind it, the whole file in "
    "a code block.)"
)


def as_text(
    messages: Sequence[Message],
    tools: Sequence[Mapping[str, Any]] | None,
    *,
    writes: str = "",
    named: Sequence[NamedFile] = (),
) -> list[Message]:
    """The conversation without native tools: nothing of it is lost. `writes` is the
    tool that takes whole files, if the role has it, and `named` are the files that the
    task names."""
    found: list[Message] = []
    reminded = False
    for message in messages:
        said = _written(message, writes)
        if tools and not reminded and message.get("role") == "user":
            reminder = _reminder(tools, writes, named)
            said, reminded = _with(said, reminder), True
        if found and _joins(found[-1], said):
            joined = f"{found[-1]['content']}\n\n{said['content']}"
            found[-1] = {**found[-1], "content": joined}
        else:
            found.append(said)
    return [*_described(found, tools, writes)] if tools else found


def _reminder(
    tools: Sequence[Mapping[str, Any]], writes: str, named: Sequence[NamedFile]
) -> str:
    names = ", ".join(str(tool["function"]["name"]) for tool in tools)
    if not writes:
        return REMINDER.format(names=names)
    named = [one for one in named if not one.is_test]
    path = named[0].path if len(named) == 1 else "its path"
    what = "the new file" if len(named) == 1 else "each file"
    shown = [written(one.path, one.content) for one in named if one.content is not None]
    now = ["The files as they are now:", *shown] if shown else []
    return "\n\n".join([*now, WRITE.format(what=what, path=path)])


def _with(message: Message, text: str) -> Message:
    content = message.get("content")
    if isinstance(content, list):
        return {**message, "content": [*content, {"type": "text", "text": text}]}
    return {**message, "content": f"{content or ''}\n\n{text}"}


def _described(
    messages: list[Message], tools: Sequence[Mapping[str, Any]], writes: str
) -> list[Message]:
    functions = [tool["function"] for tool in tools]
    lines = [signature(one) for one in functions if one["name"] != writes]
    heading = "Other tools:" if writes else "You work with these tools:"
    parts = [FILES] if writes else []
    if lines:
        parts.append(TOOLS.format(heading=heading, tools="\n".join(lines)))
    text = "\n\n".join(parts)
    first = messages[0] if messages else {}
    if first.get("role") == "system" and isinstance(first.get("content"), str):
        content = f"{first['content']}\n\n{text}"
        return [{**first, "content": content}, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


def _written(message: Message, writes: str) -> Message:
    if message.get("role") == "tool":
        result = _text(message.get("content"))
        content = f"<tool_response>\n{result}\n</tool_response>"
        return {"role": "user", "content": content}
    calls = message.get("tool_calls")
    if not calls:
        return {name: part for name, part in message.items() if name != "tool_calls"}
    before = _text(message.get("content"))
    made = "\n".join(_call(call["function"], writes) for call in calls)
    return {"role": "assistant", "content": f"{before}\n{made}".strip()}


def _call(function: Mapping[str, Any], writes: str) -> str:
    if function["name"] == writes and (file := _file(function)) is not None:
        return file
    name, arguments = json.dumps(function["name"]), function.get("arguments") or "{}"
    call = f'{{"name": {name}, "arguments": {arguments}}}'
    return f"<tool_call>\n{call}\n</tool_call>"


def _file(function: Mapping[str, Any]) -> str | None:
    """A call that wrote a file, in the form that a model is asked for."""
    try:
        given = json.loads(function.get("arguments") or "{}")
        return written(str(given["path"]), str(given["content"]))
    except (ValueError, LookupError, TypeError):
        return None


def _joins(before: Message, message: Message) -> bool:
    """Whether two messages are one: the templates of many models want the user and
    the assistant to take turns."""
    return (
        before.get("role") == message.get("role") == "user"
        and isinstance(before.get("content"), str)
        and isinstance(message.get("content"), str)
    )


def _text(content: object) -> str:
    if isinstance(content, list):
        parts = [part.get("text", "") for part in content if isinstance(part, dict)]
        return "\n".join(str(part) for part in parts)
    return str(content or "")
