"""Whole files that a model wrote as text: a path, and the file in a code block (pure).

Small models write code well and calls of tools badly. A code block is a file only where
its path stands with it: alone on the line before, in the block's first line, or as the
block's first comment; or where the task asks for one file that the block can be.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crew.texts.named_paths import ENDING

_OPEN = re.compile(r"[ \t]{0,3}(`{3,})[ \t]*([^`\n]*)$")
_PATH = (
    rf"(?:[\w.@+~-]*/)*[\w.@+-]*?(?:{ENDING}|(?<=[\w.@+~-])/[\w.@+-]+\.[A-Za-z]\w{{0,7}}"
    r"|\b(?:Makefile|Dockerfile)\b)"
)
_ALONE = re.compile(
    r"\s*(?:[#>*-]+\s+|\d+[.)]\s+)*[`'\"*]*"
    rf"(?:(?:new )?(?:file|path|filename)\b[\s:*]*)?[`'\"*]*({_PATH})"
    r"[`'\"*]*(?:\s+is now)?[\s:*]*",
    re.IGNORECASE,
)
_COMMENT = re.compile(
    rf"\s*(?:#+|//+|--|;+|<!--|/\*+)\s*(?:(?:file|path|filename)\b\s*:?\s*)?({_PATH})"
    r"\s*(?:-->|\*/)?\s*",
    re.IGNORECASE,
)
_IN_INFO = re.compile(rf"(?:^|[\s:=\"'])({_PATH})(?=$|[\s\"'}}])", re.IGNORECASE)
_LEFT_OUT = re.compile(r"\s*(?:#|//|--|/\*|<!--)\s*(?:\.{3}|…)")
_DEFINED = re.compile(
    r"(?:(?:export|default|async|pub|public|static|abstract|final)\s+)*"
    r"(?:def|class|function|func|fn|struct|interface|enum|trait|module|const)\s+(\w+)"
)
_LANGUAGES = {
    "python": "py", "python3": "py", "javascript": "js", "typescript": "ts",
    "markdown": "md", "bash": "sh", "shell": "sh", "rust": "rs", "ruby": "rb",
    "golang": "go", "yml": "yaml", "text": "txt", "jsx": "js", "tsx": "ts",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFile:
    """A file that the task's text names: the path as it stands there, and what the file
    holds when the attempt begins (None: it is not there; or it cannot be shown, as
    `is_hidden` says). A test is often named beside the file that it tests, and not to
    be written."""

    path: str
    content: str | None = None
    is_test: bool = False
    is_hidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeFile:
    """A file as a model wants it to be."""

    path: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """A code block: the line before it, what stands behind its fence, its lines."""

    before: str
    info: str
    lines: Sequence[str]


def whole_files(text: str, named: Sequence[NamedFile]) -> tuple[WholeFile, ...]:
    """The files that a text holds whole; none where it may as well quote them.
    `named` are the files that the task names."""
    blocks = list(_blocks(text.splitlines()))
    found: dict[str, WholeFile] = {}
    for block in blocks:
        if (file := _labelled(block)) is not None:
            found[file.path] = file
    if not found and len(blocks) == 1 and (path := _meant(blocks[0], named)):
        found[path] = _file(path, blocks[0].lines)
    # Some put the path alone into the block.
    files = tuple(
        file
        for file in found.values()
        if file.content.strip() and not _ALONE.fullmatch(file.content)
    )
    return files if not any(map(is_shortened, files)) else ()


def written(path: str, content: str) -> str:
    """A file in the form that is read here."""
    longest = max((len(run) for run in re.findall(r"^`+", content, re.M)), default=0)
    fence = "`" * max(3, longest + 1)
    language = path.rpartition(".")[2] if "." in path else ""
    language = "python" if language == "py" else language
    return f"{path}\n{fence}{language}\n{content.rstrip()}\n{fence}"


def is_shortened(file: WholeFile) -> bool:
    """Whether a comment stands for lines that were left out."""
    return any(map(_LEFT_OUT.match, file.content.splitlines()))


def _file(path: str, lines: Sequence[str]) -> WholeFile:
    content = "\n".join(lines).strip("\n")
    return WholeFile(path=path, content=f"{content}\n")


def _labelled(block: _Block) -> WholeFile | None:
    """The file of a block that has its path with it."""
    if (before := _ALONE.fullmatch(block.before)) is not None:
        return _file(before[1], block.lines)
    if (within := _IN_INFO.search(block.info)) is not None:
        return _file(within[1], block.lines)
    first = _COMMENT.fullmatch(block.lines[0]) if block.lines else None
    # The label is the model's word for us, and no line of the file.
    return _file(first[1], block.lines[1:]) if first is not None else None


def _meant(block: _Block, named: Sequence[NamedFile]) -> str:
    """The file that the task names and that an unnamed block is; empty without one."""
    language = block.info.split(maxsplit=1)[0].lower() if block.info else ""
    ending = _LANGUAGES.get(language, language)
    fitting = [file for file in named if not ending or _ends(file.path, ending)]
    new = _defined("\n".join(block.lines))
    # What a program printed is no file, nor is an example of how to use it.
    fitting = [
        file
        for file in fitting
        if new & (known := _defined(file.content or ""))
        or (ending and not known and not file.is_test and not file.is_hidden)
    ]
    return fitting[0].path if len(fitting) == 1 else ""


def _ends(path: str, ending: str) -> bool:
    own = path.rpartition(".")[2].lower()
    return ending in (own, _LANGUAGES.get(own, own))


def _defined(content: str) -> set[str]:
    """The names that code defines at its first level."""
    found = map(_DEFINED.match, content.splitlines())
    return {match[1] for match in found if match is not None}


def _blocks(lines: Sequence[str]) -> Iterator[_Block]:
    """The code blocks of a text. A model that stops at the closing fence does not
    write it; one that begins anew within a block means the second."""
    place, before = 0, ""
    while place < len(lines):
        opening = _OPEN.match(lines[place])
        if opening is None:
            before = lines[place] if lines[place].strip() else before
            place += 1
            continue
        inside, place = _inside(lines, place + 1, opening[1])
        filled = [line for line in inside if line.strip()]
        again = _OPEN.match(filled[1]) if len(filled) > 1 else None
        if again is not None and again[2] and _ALONE.fullmatch(filled[0]):
            before, opening = filled[0], again
            inside = _until_fence(inside[inside.index(filled[1]) + 1 :])
        yield _Block(before=before, info=opening[2].strip(), lines=inside)
        before = ""


def _inside(lines: Sequence[str], place: int, fence: str) -> tuple[list[str], int]:
    """The lines of a block up to its closing fence, and the place behind it. A block
    may hold blocks, as Markdown does."""
    found: list[str] = []
    depth = 1
    while place < len(lines):
        mark = _OPEN.match(lines[place])
        if mark is not None and len(mark[1]) >= len(fence):
            depth += 1 if mark[2].strip() else -1
        place += 1
        if not depth:
            break
        found.append(lines[place - 1])
    return found, place


def _until_fence(lines: Sequence[str]) -> list[str]:
    found: list[str] = []
    for line in lines:
        if _OPEN.match(line):
            break
        found.append(line)
    return found
