"""The part of an output that shows what fails: the first failures and the last lines
(pure)."""

import re
from collections.abc import Iterator, Sequence

FAILURES = 3
BLOCK_CHARACTERS = 1_600
LAST_CHARACTERS = 1_000
LINE_CHARACTERS = 300
# Where a failure begins, by runner.
_BEGINNING = re.compile(
    r"^_{3,} .+ _{3,}$"  # pytest
    r"|^(?:FAIL|ERROR): \w+ \("  # unittest
    r"|^\s*--- FAIL: "  # go
    r"|^---- .+ stdout ----$"  # cargo
    r"|^\s*● (?!Console)"  # jest
    r"|^\s*FAIL +\S+\.[cm]?[jt]sx?"  # vitest
    r"|^\s*not ok \d+ "  # TAP
    r"|^Traceback \(most recent call last\):"
    r"|^error(?:\[\w+\])?: "  # rustc
)
_ENDING = re.compile(r"^={5,}|^(?:failures:|test result:|FAIL\s|Ran \d+ test)")
_FINDING = re.compile(r"^[^\s:()]+\.\w+(?::\d+|\(\d+,\d+\))")


def failing_part(output: str) -> str:
    """What of a plain output shows the failures: bounded, both ends of each kept."""
    lines = [_cut(line, LINE_CHARACTERS) for line in output.strip("\n").split("\n")]
    blocks = list(_blocks(lines)) or list(_findings(lines))
    last = _last(lines)
    if not blocks:
        return last
    shown = [block for block in blocks if block not in last]
    return "\n...\n".join([*shown, last]) if shown else last


def _blocks(lines: Sequence[str]) -> Iterator[str]:
    """The first failures, each from its heading to the next one."""
    starts = [number for number, line in enumerate(lines) if _BEGINNING.match(line)]
    for index, start in enumerate(starts[:FAILURES]):
        stop = starts[index + 1] if index + 1 < len(starts) else len(lines)
        for number in range(start + 2, stop):
            if _ENDING.match(lines[number]) and number > start + 2:
                stop = number
                break
        yield _both_ends("\n".join(lines[start:stop]).strip("\n"), BLOCK_CHARACTERS)


def _findings(lines: Sequence[str]) -> Iterator[str]:
    """The first findings of a compiler or linter."""
    found = [line for line in lines if _FINDING.match(line)]
    if found:
        yield _both_ends("\n".join(found[:20]), BLOCK_CHARACTERS)


def _last(lines: Sequence[str]) -> str:
    kept: list[str] = []
    size = 0
    for line in reversed(lines):
        size += len(line) + 1
        if size > LAST_CHARACTERS:
            break
        kept.append(line)
    return "\n".join(reversed(kept)).strip("\n")


def _both_ends(text: str, size: int) -> str:
    if len(text) <= size:
        return text
    half = size // 2
    return f"{text[:half]}\n... left out ...\n{text[-half:]}"


def _cut(line: str, size: int) -> str:
    return line if len(line) <= size else f"{line[:size]} ..."
