"""Gates on the text of a result: empty, cut off, its sections, its JSON."""

import json
import re
import unicodedata
from collections.abc import Sequence

from crew.gates.blocks import blocks, prose
from crew.gates.gate import PASSES, Finding, Look, Work, fails
from crew.texts.json_schema import ERRORS, misfits

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)
_HEADING = re.compile(
    r"^ {0,3}#{1,6}[ \t]+(.+?)[ \t#]*$|^[ \t]*\*\*(.+?)\*\*:?[ \t]*$|^(.+)\n(?:=+|-+)$",
    re.MULTILINE,
)


def not_empty(work: Work) -> Finding:
    """The result is not empty."""
    return PASSES if work.text.strip() else fails("The result is empty.")


def not_truncated(work: Work) -> Finding:
    """The result is whole: it did not end at the bound of its length, nor in the middle
    of a code block."""
    if work.cut_off:
        return fails("The answer was cut off at the bound of its length.")
    opened = ""
    for fence in _FENCE.findall(work.text):
        if not opened:
            opened = fence
        elif fence[0] == opened[0] and len(fence) >= len(opened):
            opened = ""
    if opened:
        return fails("The answer breaks off in the middle of a code block.")
    return PASSES


def has_sections(names: Sequence[str]) -> Look:
    """The result has a heading with each of these names."""

    def look(work: Work) -> Finding:
        found = {_plain("".join(one)) for one in _HEADING.findall(prose(work.text))}
        missing = [name for name in names if _plain(name) not in found]
        if not missing:
            return PASSES
        return fails(f"These sections are missing: {', '.join(missing)}.")

    return look


def _plain(heading: str) -> str:
    """A heading without its number, its marks and its case."""
    text = unicodedata.normalize("NFKC", heading).casefold()
    return re.sub(r"^[\d.)\s]+|[^\w\s]", "", text).strip()


def json_parses(work: Work) -> Finding:
    """The result, or each JSON block of it, is JSON."""
    try:
        _parsed(work.text)
    except ValueError as exc:
        return fails(f"The result is not JSON: {exc}.")
    return PASSES


def json_schema(schema: str) -> Look:
    """The result, or each JSON block of it, is JSON of this schema."""
    known = json.loads(schema)

    def look(work: Work) -> Finding:
        try:
            values = _parsed(work.text)
        except ValueError as exc:
            return fails(f"The result is not JSON: {exc}.")
        problems = [one for value in values for one in misfits(value, known)]
        return fails("\n".join(problems[:ERRORS])) if problems else PASSES

    return look


def _parsed(text: str) -> list[object]:
    """The JSON of a result. Raises ValueError."""
    sources = [source for _, source in blocks(text, "json")] or [text]
    try:
        return [json.loads(one, parse_constant=_refuse) for one in sources]
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
