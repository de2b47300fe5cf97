"""Tools by text, for a deployment that takes none (pure).

On the way out the tools are described in the system message, and the calls and results
of the conversation become text. What comes back is read by `written_calls`. The format
is Hermes', which many open models have learned:

    <tool_call>
    {"name": "read_file", "arguments": {"path": "a.py"}}
    </tool_call>

and the result in the next message of the user, between <tool_response> tags.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

Message = Mapping[str, Any]

INSTRUCTION = """\
# Tools

You work with these tools, one JSON object each:
<tools>
{tools}
</tools>

To call a tool, answer with the call and nothing else, in exactly this form:
<tool_call>
{{"name": "the tool's name", "arguments": {{"each argument's name": "its value"}}}}
</tool_call>

The result comes in the next message, between <tool_response> tags: never write it \
yourself. Only a call changes a file or passes work on; describing it does nothing. \
When no call is left to make, give your final answer as plain text without a call."""
CONTENT = """

The content of {name} stands behind its call, in a code block, as it is and without \
escapes; its arguments hold the path alone."""
"""For a tool that writes a file: few small models can escape one for JSON. Without an
example, which they copy."""
REMINDER = (
    '(To use a tool, answer with <tool_call>{{"name": ..., "arguments": {{...}}}}'
    "</tool_call> alone. Tools: {names}.{content})"
)
"""Goes behind the task: small models forget what was said before it."""


def as_text(
    messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] | None
) -> list[Message]:
    """The conversation without native tools: nothing of it is lost."""
    found: list[Message] = []
    reminded = False
    for message in messages:
        written = _written(message)
        if tools and not reminded and message.get("role") == "user":
            written, reminded = _reminded(written, tools), True
        if found and _joins(found[-1], written):
            joined = f"{found[-1]['content']}\n\n{written['content']}"
            found[-1] = {**found[-1], "content": joined}
        else:
            found.append(written)
    return [*_described(found, tools)] if tools else found


def _reminded(message: Message, tools: Sequence[Mapping[str, Any]]) -> Message:
    names = ", ".join(str(tool["function"]["name"]) for tool in tools)
    writing = _writing(tools)
    more = f" The content of {writing} stands behind its call, in a code block."
    text = REMINDER.format(names=names, content=more if writing else "")
    content = message.get("content")
    if isinstance(content, list):
        return {**message, "content": [*content, {"type": "text", "text": text}]}
    return {**message, "content": f"{content or ''}\n\n{text}"}


def _described(
    messages: list[Message], tools: Sequence[Mapping[str, Any]]
) -> list[Message]:
    lines = "\n".join(json.dumps(tool["function"]) for tool in tools)
    text, writing = INSTRUCTION.format(tools=lines), _writing(tools)
    text += CONTENT.format(name=writing) if writing else ""
    first = messages[0] if messages else {}
    if first.get("role") == "system" and isinstance(first.get("content"), str):
        content = f"{first['content']}\n\n{text}"
        return [{**first, "content": content}, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


def _writing(tools: Sequence[Mapping[str, Any]]) -> str:
    """The tool that takes a path and a content; empty without one."""
    for tool in tools:
        schema = tool["function"].get("parameters") or {}
        if {"path", "content"} <= set(schema.get("properties") or ()):
            return str(tool["function"]["name"])
    return ""


def _written(message: Message) -> Message:
    if message.get("role") == "tool":
        result = _text(message.get("content"))
        content = f"<tool_response>\n{result}\n</tool_response>"
        return {"role": "user", "content": content}
    calls = message.get("tool_calls")
    if not calls:
        return {name: part for name, part in message.items() if name != "tool_calls"}
    before = _text(message.get("content"))
    written = "\n".join(_call(call["function"]) for call in calls)
    return {"role": "assistant", "content": f"{before}\n{written}".strip()}


def _call(function: Mapping[str, Any]) -> str:
    name, arguments = json.dumps(function["name"]), function.get("arguments") or "{}"
    call = f'{{"name": {name}, "arguments": {arguments}}}'
    return f"<tool_call>\n{call}\n</tool_call>"


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
