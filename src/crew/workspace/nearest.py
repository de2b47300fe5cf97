"""The lines of a text that are most like what somebody looked for in it (pure)."""

from difflib import SequenceMatcher

_SHOWN = 8
_LINE_CHARACTERS = 160
_COMPARED = 4_000
"""How many lines are compared letter by letter; those with the most words in common."""
_ALIKE = 0.5


def nearest(text: str, search: str) -> str:
    """A few lines with their numbers, as a sentence for a model."""
    wanted = [line.strip() for line in search.split("\n") if line.strip()][:_SHOWN]
    lines = text.split("\n")
    place = _best(lines, wanted)
    if place is None:
        return "no line in it is like it: read the file first"
    last = min(len(lines), place + max(len(wanted), 3), place + _SHOWN)
    shown = "\n".join(
        f"{number}\t{lines[number - 1].rstrip()[:_LINE_CHARACTERS]}"
        for number in range(place + 1, last + 1)
    )
    return f"the nearest lines are:\n{shown}\n"


def _best(lines: list[str], wanted: list[str]) -> int | None:
    """The line, from 0, at which the lines that are wanted would begin."""
    best, found = _ALIKE, None
    # The lines of code one writes from memory are right here and there.
    exact = {line: number for number, line in reversed(list(enumerate(wanted))) if line}
    hits: dict[int, int] = {}
    for number, line in enumerate(lines):
        offset = exact.get(line.strip())
        if offset is not None and len(line.strip()) > 3:
            start = max(0, number - offset)
            hits[start] = hits.get(start, 0) + 1
    if hits:
        return max(hits, key=lambda start: (hits[start], -start))
    for number, line in enumerate(lines[:_COMPARED]):
        matcher = SequenceMatcher(None, line.strip()[:200], wanted[0][:200], False)
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best:
            ratio = matcher.ratio()
            if ratio > best:
                best, found = ratio, number
    return found
