"""The scripted model: a conversation -> one answer, always the same.

A manager delegates once and hands the result on. A worker calls each of our tools
once, as far as it makes sense, and then answers. Nobody loops: what was called is
counted in the conversation itself.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil

from crew.emulator.conversation import Conversation, Tool
from crew.emulator.note import IMAGE, NOTE, SUFFIX, edit_file, listed, write_file
from crew.emulator.planning import planned
from crew.emulator.schema import example

_QUOTED_WORDS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call of an offered tool; `arguments` is JSON."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model says: a text or one tool call. `finish` as OpenAI names it;
    `stopped_at` is the stop word that ended the text."""

    text: str = ""
    call: ToolCall | None = None
    finish: str = "stop"
    stopped_at: str | None = None

    @property
    def output_tokens(self) -> int:
        """A quarter of the characters."""
        call = self.call
        length = len(self.text) + (len(call.name) + len(call.arguments) if call else 0)
        return ceil(length / 4)


def answer(talk: Conversation) -> Answer:
    """What the model says next, within `max_tokens` and `stop`."""
    call = _next_call(talk)
    if call is not None:
        return _fit_call(call, talk.max_tokens)
    text = planned(talk, list(_STEPS)) or _final_text(talk)
    if talk.schema is not None:
        text = json.dumps(example(talk.schema, text))
    return _fit_text(text, talk)


def _fit_text(text: str, talk: Conversation) -> Answer:
    ends = [(text.find(word), word) for word in talk.stop if word and word in text]
    end, word = min(ends, default=(len(text), None))
    text = text[:end]
    room = None if talk.max_tokens is None else talk.max_tokens * 4
    if room is not None and len(text) > room:
        return Answer(text=text[:room], finish="length")
    return Answer(text=text, stopped_at=word)


def _fit_call(call: ToolCall, max_tokens: int | None) -> Answer:
    room = None if max_tokens is None else max(0, max_tokens * 4 - len(call.name))
    if room is not None and len(call.arguments) > room:
        cut = ToolCall(name=call.name, arguments=call.arguments[:room])
        return Answer(call=cut, finish="length")
    return Answer(call=call, finish="tool_calls")


# The manager

_COWORKERS = re.compile(r"coworkers?:\s*(?P<names>[^\n]+)")
_UNKNOWN_COWORKER = re.compile(r"must be one of the following options:\s*-\s*(.+)")
_TASK = re.compile(
    r"(?:Current Task:\s*)?(?P<task>.*?)"
    r"(?P<expected>\s*This is the expected criteria for your final answer:.*?)?"
    r"(?:\s*This is the context you're working with:\s*(?P<context>.*))?\s*",
    re.DOTALL,
)


def _delegation(talk: Conversation, tool: Tool) -> ToolCall | None:
    results = talk.texts("tool")
    tried = sum(name == tool.name for name in talk.called())
    if not results:
        named = _COWORKERS.search(tool.description)
        coworker = named["names"].split(",")[0] if named else ""
    else:
        # A role with a comma in its name: the refusal lists the names one by one.
        listed = _UNKNOWN_COWORKER.search(results[-1])
        if listed is None or tried > 1:
            return None
        coworker = listed[1]
    prompt = next((t for t in reversed(talk.texts("user")) if t.strip()), "")
    parts = _TASK.fullmatch(prompt.strip())
    task = (parts["task"] if parts else "") or prompt
    details = [parts["expected"], parts["context"]] if parts else []
    context = "\n\n".join(detail.strip() for detail in details if detail)
    arguments = {
        "task": task.strip(),
        "context": context or task.strip(),
        "coworker": coworker.strip(),
    }
    return ToolCall(name=tool.name, arguments=json.dumps(arguments))


# A worker

# The workspace keeps the images of the user there; their names may hold spaces.
_PLACED_IMAGE = re.compile(r"\bimages/[^,\n\"'`]+?" + SUFFIX, re.IGNORECASE)
_ADDRESS = re.compile(r"https?://[^\s\"'`<>,]+")
_IMAGE_WORD = re.compile(SUFFIX + r"|\bimages?\b", re.IGNORECASE)
_NEARBY = 200
_TEXT_FILES = (".md", ".toml", ".txt", ".js", ".ts", ".go", ".rs", ".java", ".yaml")


def _repo_map(talk: Conversation) -> Mapping[str, object] | None:
    return {"directory": "."}


def _list_files(talk: Conversation) -> Mapping[str, object] | None:
    return {"directory": "."}


def _read_file(talk: Conversation) -> Mapping[str, object] | None:
    paths = listed(talk)
    choices: list[Callable[[str], bool]] = [
        lambda path: path.rpartition("/")[2].upper().startswith("README"),
        lambda path: path.endswith(".py"),
        lambda path: path.endswith(_TEXT_FILES),
    ]
    for wanted in choices:
        for path in paths:
            if wanted(path):
                return {"path": path}
    return None


def _search_files(talk: Conversation) -> Mapping[str, object] | None:
    return {"pattern": "def "}


def _look_at_image(talk: Conversation) -> Mapping[str, object] | None:
    for text in talk.texts("user") + talk.texts("tool"):
        image = _named_image(text)
        if image is not None:
            return {"image": image, "question": "What does this image show?"}
    return None


def _named_image(text: str) -> str | None:
    """The image that a text names: a path, or an address that is one by its looks."""
    placed = _PLACED_IMAGE.search(text)
    if placed is not None:
        return placed[0]
    for found in _ADDRESS.finditer(text):
        nearby = text[max(0, found.start() - _NEARBY) : found.end()]
        if _IMAGE_WORD.search(nearby):
            return found[0].rstrip(".;:!?)]}")
    named = IMAGE.search(_ADDRESS.sub("", text))
    return named[0] if named else None


_STEPS: Mapping[str, Callable[[Conversation], Mapping[str, object] | None]] = {
    "list_files": _list_files,
    "repo_map": _repo_map,
    "read_file": _read_file,
    "search_files": _search_files,
    "write_file": write_file,
    "edit_file": edit_file,
    "look_at_image": _look_at_image,
}


def _next_call(talk: Conversation) -> ToolCall | None:
    for tool in talk.tools:
        if tool.name == talk.forced:
            arguments = example(tool.schema, _final_text(talk))
            return ToolCall(name=tool.name, arguments=json.dumps(arguments))
    if any("structured summary of prior context" in t for t in talk.texts("user")):
        return None  # CrewAI shortened the conversation: the calls were before
    for tool in talk.tools:
        if "delegate_work" in tool.name:
            return _delegation(talk, tool)
    offered = {tool.name for tool in talk.tools}
    called = talk.called()
    # Steps go forward only: a step that made no sense once is not tried again.
    done = max((list(_STEPS).index(n) for n in called if n in _STEPS), default=-1)
    for name, arguments in list(_STEPS.items())[done + 1 :]:
        chosen = arguments(talk) if name in offered else None
        if chosen is not None:
            return ToolCall(name=name, arguments=json.dumps(chosen))
    return None


# The final answer

_WANTS_JSON = re.compile(r"\bJSON\b")
_ROLE = re.compile(r"You are [^.\n]*\.?")


def _final_text(talk: Conversation) -> str:
    role = _ROLE.search(talk.system)
    lines = [f"A rehearsed answer. {role[0] if role else ''}".strip()]
    results = talk.texts("tool")
    if any("delegate_work" in name for name in talk.called()):
        lines.append(results[-1] if results else "")
    else:
        lines += [f"It was told: {_few_words(result)}" for result in results]
        if "write_file" in talk.called():
            lines.append(f"It wrote:\n```python\n{NOTE}```")
        if any(_WANTS_JSON.search(one) for one in talk.texts("user")):
            lines.append('```json\n{"rehearsed": true}\n```')
    lines += [f"It was shown {picture}." for picture in talk.pictures]
    text = "\n".join(line for line in lines if line)
    if any("Final Answer:" in one for one in [talk.system, *talk.texts("user")]):
        return f"Thought: I now can give a great answer\nFinal Answer: {text}"
    return text


def _few_words(text: str) -> str:
    words = text.split()
    return " ".join(words[:_QUOTED_WORDS]) or "nothing"
