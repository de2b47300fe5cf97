"""Tool calls that a model wrote as text instead of making them (pure).

Small models at home do it: fenced or bare JSON, tags, Action lines. A text is taken
for calls only when it is exactly that, of tools that were offered, with arguments that
fit. A text that merely contains JSON is a text.
"""

import ast
import json
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crew.calls.argument_fit import Schema, as_lists, as_texts, fits

_NAME_KEYS = ("name", "tool", "function", "tool_name", "action")
_ARGUMENT_KEYS = (
    "arguments",
    "parameters",
    "args",
    "input",
    "action_input",
    "tool_input",
)
_OTHER_KEYS = frozenset({"id", "type"})
_FENCE = re.compile(
    r"^```[\w-]*[ \t]*\n(.*?)^[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE
)
_ONE_FENCE = re.compile(r"```[\w-]*[ \t]*\n(.*)```", re.DOTALL)
_TAG = r"(?:tool_call|tool_calls|function_call|tools)"
# A model that stops at the closing tag does not write it.
_TAGGED = re.compile(rf"<{_TAG}>\s*(.*?)\s*(?:</{_TAG}>|\Z)", re.DOTALL)
_FUNCTION = re.compile(r"<function=([\w.-]+)>\s*(.*?)\s*(?:</function>|\Z)", re.DOTALL)
_PARAMETER = re.compile(
    r"<parameter=([\w.-]+)>\n?(.*?)\n?(?:</parameter>|(?=<parameter=)|\Z)", re.DOTALL
)
_MARKS = ("[TOOL_CALLS]", "<|python_tag|>")
_ACTION = re.compile(
    r"^[ \t]*\**Action:\**[ \t]*[`\"]?([\w .-]+?)[`\"]?[ \t]*\n+"
    r"[ \t]*\**Action Input:\**[ \t]*",
    re.MULTILINE,
)
_OBSERVATION = re.compile(r"^[ \t]*\**Observation\b", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenCall:
    """One call as it was written; `arguments` is one JSON object."""

    name: str
    arguments: str


def written_calls(
    text: str, tools: Sequence[Mapping[str, Any]], *, asked: bool = False
) -> tuple[WrittenCall, ...]:
    """The calls that a text is; none when it is not exactly that.

    `tools` are the offered ones in OpenAI's form. `asked`: the model was asked to
    write its calls, so a sentence before a fenced one is no reason for doubt, nor are
    words behind a call that comes first, nor a result that it makes up.
    """
    offered = {
        str(tool["function"]["name"]): tool["function"].get("parameters") or {}
        for tool in tools
    }
    text = text.strip()
    readings = [_tagged, _actions, _plain]
    if asked:
        readings += [_after_prose, _before_prose, _with_response, _leading]
    for read in readings:
        found = read(text)
        calls = tuple(_fitting(call, offered) for call in found)
        if calls and None not in calls:
            return tuple(call for call in calls if call is not None)
    return ()


_Raw = tuple[object, object]
"""A name and arguments, as they were written."""
_NO_CALL: _Raw = (None, None)


def _fitting(raw: _Raw, offered: Mapping[str, Schema]) -> WrittenCall | None:
    name, arguments = raw
    if isinstance(arguments, str):
        arguments = _object(arguments)
    if not isinstance(name, str) or not isinstance(arguments, dict):
        return None
    schema = offered.get(name)
    if schema is None:
        return None
    arguments = as_texts(as_lists(arguments, schema), schema)
    if not fits(arguments, schema):
        return None
    return WrittenCall(name=name, arguments=json.dumps(arguments))


def _tagged(text: str) -> list[_Raw]:
    """Calls between tags, at the end of the text; no other text uses such tags, so
    words before them are allowed."""
    pattern = _TAGGED if _TAGGED.search(text) else _FUNCTION
    found = list(pattern.finditer(text))
    if not found or _is_quoted(text[: found[0].start()]):
        return []
    rest = pattern.sub("", text[found[0].start() :])
    if rest.strip():
        return []
    return [raw for match in found for raw in _between(match)]


def _between(match: re.Match[str]) -> Iterator[_Raw]:
    if match.re is _FUNCTION:
        yield match[1], _parameters(match[2])
    elif inner := list(_FUNCTION.finditer(match[1])):
        for function in inner:
            yield function[1], _parameters(function[2])
    else:
        yield from _values(_unfenced(match[1])) or [_NO_CALL]


def _parameters(text: str) -> object:
    """Arguments in tags of their own, or as JSON."""
    if text.startswith("{"):
        return text
    return {found[1]: _typed(found[2]) for found in _PARAMETER.finditer(text)}


def _typed(text: str) -> object:
    """Numbers and truth values stand without quotes there; a text is itself."""
    return json.loads(text) if re.fullmatch(r"\d{1,9}|true|false", text) else text


def _actions(text: str) -> list[_Raw]:
    """`Action:` and `Action Input:`; what a model makes up as the result is cut."""
    made_up = _OBSERVATION.search(text)
    if made_up is not None:
        text = text[: made_up.start()].rstrip()
    found = list(_ACTION.finditer(text))
    if len(found) != 1 or _is_quoted(text[: found[0].start()]):
        return []
    given = _unfenced(text[found[0].end() :].strip())
    return [(found[0][1].strip(), given)]


def _plain(text: str) -> list[_Raw]:
    """Nothing but JSON, bare or in fences."""
    for mark in _MARKS:
        text = text.removeprefix(mark).lstrip()
    if found := _values(_unfenced(text)):
        return found
    if not text.startswith("```") or _FENCE.sub("", text).strip():
        return []
    fences = _FENCE.findall(text)
    return [raw for fence in fences for raw in _values(fence) or [_NO_CALL]]


def _after_prose(text: str) -> list[_Raw]:
    """Words, and then one fence that is a call, at the end."""
    start = text.find("```")
    return _plain(text[start:]) if start > 0 else []


def _before_prose(text: str) -> list[_Raw]:
    """One call, and then words without another."""
    if (fence := _FENCE.match(text)) is not None:
        call, rest = fence[1], text[fence.end() :]
    else:
        try:
            place = json.JSONDecoder(strict=False).raw_decode(text)[1]
        except (ValueError, RecursionError):
            return []
        call, rest = text[:place], text[place:]
    return [] if "{" in rest or "```" in rest else _values(call)


def _with_response(text: str) -> list[_Raw]:
    """A call before a result that the model makes up, which is cut; or a call between
    the tags of a result."""
    before, tag, inside = text.partition("<tool_response>")
    if not tag or _is_quoted(before):
        return []
    for read in (_tagged, _plain, _after_prose):
        found = read(before.strip())
        if found and _NO_CALL not in found:
            return found
    return _values(_unfenced(inside.partition("</tool_response>")[0].strip()))


def _unfenced(text: str) -> str:
    """What is in a fence. A file's text may have fences of its own."""
    found = _ONE_FENCE.fullmatch(text)
    return found[1] if found is not None else text


def _is_quoted(before: str) -> bool:
    """Whether what follows stands in a code block that is open."""
    return before.count("```") % 2 == 1


def _leading(text: str) -> list[_Raw]:
    """Calls in a row, of which a later one cannot be read: those before it are made,
    as the model must see their results first."""
    text = text.removeprefix("```json").removesuffix("```").strip()
    found, rest = _row(text)
    return found if rest.startswith("{") else []


def _values(text: str) -> list[_Raw]:
    """One JSON value after the other, each a call or a list of calls."""
    text = text.strip()
    found, rest = _row(text)
    if not rest:
        return found
    # Three quotes are never JSON: those of a docstring, which were not escaped.
    escaped = re.sub(r'(?<!\\)"""', r'\\"\\"\\"', text)
    literal = _literal(text) or _literal(escaped) if rest == text else []
    if literal or escaped == text:
        return literal
    found, rest = _row(escaped)
    return [] if rest else found


def _row(text: str) -> tuple[list[_Raw], str]:
    """One JSON value after the other, and what stands behind them."""
    decoder, place, found = json.JSONDecoder(strict=False), 0, []
    while place < len(text):
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            break
        for part in value if isinstance(value, list) else [value]:
            found += _named(part)
        while place < len(text) and text[place] in " \t\r\n,;":
            place += 1
    return found, text[place:]


def _literal(text: str) -> list[_Raw]:
    """A call that is not quite JSON: small models put a file between triple quotes,
    as in Python, or leave the last brackets out."""
    for end in ("", "}", "}}") if text.startswith("{") else ("",):
        try:
            with warnings.catch_warnings():
                # An odd escape in a string is no reason to write on the terminal.
                warnings.simplefilter("ignore")
                value = json.loads(json.dumps(ast.literal_eval(text + end)))
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            value = _object(text + end)
        if value is not None:
            return _named(value)
    return []


def _named(value: object) -> list[_Raw]:
    """The name and arguments of what may be a call."""
    if not isinstance(value, dict):
        return [_NO_CALL]
    if set(value) == {"tool_calls"} and isinstance(value["tool_calls"], list):
        return [raw for part in value["tool_calls"] for raw in _named(part)]
    if isinstance(value.get("function"), dict) and not set(value) - {
        "function",
        *_OTHER_KEYS,
    }:
        return _named(value["function"])
    names = [key for key in _NAME_KEYS if key in value]
    given = [key for key in _ARGUMENT_KEYS if key in value]
    known = {*names, *given, *_OTHER_KEYS}
    if len(names) != 1 or len(given) != 1 or set(value) - known:
        return [_NO_CALL]
    return [(value[names[0]], value[given[0]])]


def _object(text: str) -> object:
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
