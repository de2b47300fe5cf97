"""What a model hears of a tool call that it wrote and nobody can carry out (pure).

A model that was asked to write its calls often almost does it: an argument is missing,
a quote is not escaped, two calls stand in one answer. Taken for its final answer, such
a text ends the work before it began.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from crew.calls.argument_fit import Schema, as_lists, as_texts, fits, misfit
from crew.providers.answer import Answer

MOST = 2
"""How often in a row a model is told; then its text is its answer."""
_NAME = r'"(?:name|tool|function|tool_name|action)"\s*:\s*"({names})"'
_ARGUMENTS = re.compile(
    r'"(?:arguments|parameters|args|input|action_input|tool_input)"\s*:\s*'
)
_STARTS = ("{", "[", "```", "<")
_FORM = re.compile(
    r"\s*(?:```\w*\s*)?(?:<tool_call>\s*)?"
    r'\{\s*"name"\s*:\s*"([\w.-]{1,60})"\s*,\s*"arguments"\s*:\s*\{'
)
"""The form that a model was asked for, whatever tool it names."""
_ALONE = "answer with one call, and nothing before or behind it"


def unread(text: str, tools: Sequence[Mapping[str, Any]]) -> str:
    """Why a text that is meant as a call is none, for the model; empty where it is
    not meant as one. It is asked of texts only that `written_calls` did not read."""
    offered = {
        str(tool["function"]["name"]): tool["function"].get("parameters") or {}
        for tool in tools
    }
    text = text.strip()
    names = "|".join(map(re.escape, offered))
    named = list(re.finditer(_NAME.format(names=names), text)) if names else []
    if not named:
        return _unknown(text, offered)
    if not _is_meant(text, named[0].start()):
        return ""
    given = _ARGUMENTS.search(text, named[0].end()) or _ARGUMENTS.search(text)
    if given is None:
        return ""
    name = named[0][1]
    why = _ALONE if len(named) > 1 else _why(text[given.end() :], offered[name])
    return f"Error: this call of {name} was not made: {why}."


def _unknown(text: str, offered: Mapping[str, Schema]) -> str:
    found = _FORM.match(text)
    if found is None or not offered:
        return ""
    given = _object(text[found.end() - 1 :])
    fitting = [
        name for name, schema in offered.items() if given and fits(given, schema)
    ]
    meant = f"; these arguments are those of {fitting[0]}" if len(fitting) == 1 else ""
    return (
        f"Error: there is no tool {found[1]!r}; the tools are {', '.join(offered)}"
        f"{meant}."
    )


def _object(text: str) -> object:
    try:
        return json.JSONDecoder(strict=False).raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None


def _is_meant(text: str, place: int) -> bool:
    """Whether the call is what the text begins with, or all that comes after words."""
    if text.startswith(_STARTS):
        return True
    before = text[:place]
    return "<tool_call>" in before or before.count("```") == 1


def _why(arguments: str, schema: Schema) -> str:
    try:
        found, _ = json.JSONDecoder(strict=False).raw_decode(arguments)
    except (ValueError, RecursionError) as exc:
        what = exc.msg if isinstance(exc, json.JSONDecodeError) else "too deep"
        return (
            f"its arguments are not JSON ({what}); within a text write \\n for the end "
            'of a line and \\" for a quote'
        )
    if isinstance(found, str):  # OpenAI's form has them as a text
        return _why(found, schema)
    if isinstance(found, dict):
        found = as_texts(as_lists(found, schema), schema)
    return misfit(found, schema) or _ALONE


def is_to_tell(messages: Sequence[Any], answer: Answer) -> bool:
    """Whether a model is to hear what is wrong with a call that it wrote: not again,
    if it repeats that call word for word."""
    if not answer.unread:
        return False
    return [one.get("content") for one in messages[-2:]] != [answer.text, answer.unread]


def told(messages: Sequence[Any], answer: Answer) -> list[Any]:
    """The conversation that goes on after an answer with a call that cannot be read."""
    said = {"role": "assistant", "content": answer.text}
    return [*messages, said, {"role": "user", "content": answer.unread}]
