"""Edits of a text by search and replace (pure): each fits one place, or none is made.

A search that is not there as given may differ from the file in blanks at the ends of
lines, in the indentation of all its lines alike, and by the numbers that `read_file`
puts before lines. Whatever fits in two places is refused.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from crew.errors import WorkspaceError
from crew.workspace.nearest import nearest
from crew.workspace.text import lines_of

MOST_EDITS = 100
MOST_CHARACTERS = 200_000
"""Characters of one search or one replacement."""
_BOM = "\ufeff"
_PLACES = 10
"""How many places are named for a search that fits in several."""
_COMPARED_LINES = 200_000
"""How many lines are compared with those of a search, in all places like it."""
# As `read_file` shows lines.
_NUMBERED = re.compile(r"[ ]*([0-9]+)\t")
_LINE = re.compile(r"^[ ]*[0-9]+\t", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """The text `search`, found in one place, becomes `replace`."""

    search: str
    replace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Where an edit fits: characters from `start` to `end` become `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """A text after its edits, and the first line of each of them in the new text."""

    text: str
    lines: tuple[int, ...]


def apply(text: str, edits: Sequence[Edit]) -> Edited:
    """The text with all edits; each is searched for in the text as it was. Line ends
    and a byte order mark stay as they are. Raises WorkspaceError, for the model."""
    if not edits:
        raise WorkspaceError("there is no edit")
    if len(edits) > MOST_EDITS:
        raise WorkspaceError(f"at most {MOST_EDITS} edits at once")
    mark = _BOM if text.startswith(_BOM) else ""
    given = text.removeprefix(_BOM)
    plain = given.replace("\r\n", "\n")
    spans = []
    for number, edit in enumerate(edits, 1):
        try:
            spans.append(_placed(plain, _checked(edit)))
        except WorkspaceError as exc:
            which = f"edit {number} of {len(edits)}: " if len(edits) > 1 else ""
            raise WorkspaceError(f"{which}{exc}; nothing was changed") from None
    order = sorted(range(len(spans)), key=lambda one: spans[one].start)
    for before, after in itertools.pairwise(order):
        if spans[before].end > spans[after].start:
            line = _line(plain, spans[after].start)
            raise WorkspaceError(
                f"edits {before + 1} and {after + 1} overlap in line {line}: make "
                "them one edit; nothing was changed"
            )
    changed = _spliced(given, plain, [spans[one] for one in order])
    if changed.text == given:
        raise WorkspaceError("the edits change nothing")
    return Edited(text=mark + changed.text, lines=changed.lines)


def _checked(edit: Edit) -> Edit:
    """The edit with line ends as searches know them."""
    search, new = (
        one.replace("\r\n", "\n").removeprefix(_BOM)
        for one in (edit.search, edit.replace)
    )
    if not search.strip("\n"):
        raise WorkspaceError(
            "the search is empty; to insert text, search for a line beside it and "
            "repeat that line in the replacement"
        )
    if search == new:
        raise WorkspaceError("search and replacement are the same")
    if max(len(search), len(new)) > MOST_CHARACTERS:
        raise WorkspaceError(
            f"a search or replacement has at most {MOST_CHARACTERS} characters; "
            "give only the lines that change, in several edits"
        )
    return Edit(search=search, replace=new)


def _placed(text: str, edit: Edit) -> Span:
    """The one place where an edit fits. Raises WorkspaceError."""
    if _pasted(edit.replace) and not _pasted(edit.search) and not _LINE.search(text):
        raise WorkspaceError(
            "the replacement has numbers before its lines; leave them out"
        )
    for tried in (edit, _without_numbers(edit)):
        for find in (_exactly, _by_lines):
            spans = list(find(text, tried)) if tried is not None else []
            if len(spans) == 1:
                return _tidied(text, spans[0])
            if spans:
                raise WorkspaceError(_ambiguous(text, spans))
    if _NUMBERED.match(edit.search):
        raise WorkspaceError(
            "the search is not in the file; leave out the numbers before the lines"
        )
    if edit.replace and edit.replace in text:
        raise WorkspaceError(
            "the search is not in the file, but the replacement is: the change may "
            "be there already"
        )
    raise WorkspaceError(f"the search is not in the file; {nearest(text, edit.search)}")


def _exactly(text: str, edit: Edit) -> Iterator[Span]:
    """Where the search is, character by character; places may overlap."""
    start = text.find(edit.search)
    for _ in range(_PLACES):
        if start < 0:
            return
        end = start + len(edit.search)
        yield Span(start=start, end=end, text=edit.replace)
        start = text.find(edit.search, start + 1)


def _by_lines(text: str, edit: Edit) -> Iterator[Span]:
    """Where the lines of the search are, with other blanks at their ends and another
    indentation of all of them; the replacement is indented as they are."""
    wanted = edit.search.removesuffix("\n").split("\n")
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    found = 0
    for place in _alike(lines, wanted):
        here = lines[place : place + len(wanted)]
        new = _shifted(wanted, here, edit.replace)
        if new is not None:
            found += 1
            last = place + len(wanted) - 1
            end = starts[last] + len(lines[last])
            if edit.search.endswith("\n"):
                # A last line without an end keeps none.
                new = new if end < len(text) else new.removesuffix("\n")
                end = min(end + 1, len(text))
            yield Span(start=starts[place], end=end, text=new)
        if found == _PLACES:
            return


def _alike(lines: Sequence[str], wanted: Sequence[str]) -> Iterator[int]:
    """The places at which lines are the same but for the blanks around them."""
    stripped = "\n" + "\n".join(line.strip(" \t") for line in lines) + "\n"
    pattern = "\n" + "\n".join(line.strip(" \t") for line in wanted) + "\n"
    at, counted, row = stripped.find(pattern), 0, 0
    for _ in range(max(2, _COMPARED_LINES // len(wanted))):
        if at < 0:
            return
        row += stripped.count("\n", counted, at)
        counted = at
        yield row
        at = stripped.find(pattern, at + 1)
    raise WorkspaceError(
        "too many places look like the search; give more lines around it, indented as "
        "in the file"
    )


def _shifted(wanted: Sequence[str], here: Sequence[str], new: str) -> str | None:
    """The replacement, indented as the lines here are; None where they do not differ
    from the wanted ones by one and the same indentation."""
    pairs = [
        (_indent(line), _indent(found))
        for line, found in zip(wanted, here, strict=True)
        if line.strip(" \t")
    ]
    if not pairs:
        return None
    first, found = pairs[0]
    added = found.removesuffix(first) if found.endswith(first) else None
    removed = first.removesuffix(found) if first.endswith(found) else None
    if added is not None and all(to == added + of for of, to in pairs):
        return "\n".join(
            added + line if line.strip(" \t") else line for line in new.split("\n")
        )
    if removed is None or not all(of == removed + to for of, to in pairs):
        return None
    lines = new.split("\n")
    if all(line.startswith(removed) for line in lines if line.strip(" \t")):
        return "\n".join(line.removeprefix(removed) for line in lines)
    return None


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def _without_numbers(edit: Edit) -> Edit | None:
    """The edit without the numbers that `read_file` puts before lines; None where not
    every line of the search has one, each one more than the one before."""
    if not _pasted(edit.search):
        return None
    numbered = [bool(_NUMBERED.match(line)) for line in lines_of(edit.replace)]
    if any(numbered) and not all(numbered):
        return None
    new = _bare(edit.replace) if all(numbered) else edit.replace
    return Edit(search=_bare(edit.search), replace=new)


def _pasted(text: str) -> bool:
    """Whether every line has a number before it, each one more than the one before."""
    found = [_NUMBERED.match(line) for line in lines_of(text)]
    numbers = [int(one[1][:9]) for one in found if one is not None]
    return len(numbers) == len(found) > 0 and numbers == list(
        range(numbers[0], numbers[0] + len(numbers))
    )


def _bare(text: str) -> str:
    return "".join(_NUMBERED.sub("", line, count=1) for line in lines_of(text))


def _tidied(text: str, span: Span) -> Span:
    """The place with whole lines kept whole: none is joined to the next one, and none
    is left blank where all of its text is removed."""
    begins = span.start == 0 or text[span.start - 1] == "\n"
    took_end = text[span.start : span.end].endswith("\n")
    if span.text:
        joins = begins and took_end and not span.text.endswith("\n")
        return replace(span, text=span.text + "\n") if joins else span
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.end)
    end = len(text) if end < 0 else end + 1
    blank = not text[start : span.start].strip() and not text[span.end : end].strip()
    if took_end or not blank:
        return span
    return replace(span, start=start, end=end)


def _spliced(given: str, plain: str, spans: Sequence[Span]) -> Edited:
    """The given text, whose line ends may differ from the plain one's, with the
    spans of the plain one replaced; what is outside of them stays as it is."""
    crlf = given.count("\r\n") * 2 > plain.count("\n")
    parts: list[str] = []
    lines: list[int] = []
    at = seen = 0  # in the given text, in the plain one
    row = 1
    for span in spans:
        kept_to = _advance(given, at, span.start - seen)
        kept = given[at:kept_to]
        new = span.text.replace("\n", "\r\n") if crlf else span.text
        row += kept.count("\n")
        lines.append(row)
        row += new.count("\n")
        parts += [kept, new]
        at, seen = _advance(given, kept_to, span.end - span.start), span.end
    return Edited(text="".join([*parts, given[at:]]), lines=tuple(lines))


def _advance(given: str, at: int, count: int) -> int:
    """Where one is after `count` characters, with `\\r\\n` counting as one."""
    end = at + count
    while (found := given.find("\r\n", at, end + 1)) >= 0:
        at, end = found + 2, end + 1
    return end


def _ambiguous(text: str, spans: Sequence[Span]) -> str:
    named = ", ".join(str(_line(text, span.start)) for span in spans)
    more = " and more" if len(spans) >= _PLACES else ""
    return (
        f"the search fits in {len(spans)}{more} places (lines {named}{more}); add "
        "lines around it until it fits in one"
    )


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
