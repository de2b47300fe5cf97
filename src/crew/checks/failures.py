"""Which tests failed, by what the usual runners print (pure)."""

import re
from collections import Counter
from collections.abc import Iterator

MOST = 2_000
"""Ids that are read from one output."""
_LONGEST = 300
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_TESTS = (
    # pytest
    re.compile(
        r"^(?:FAILED|ERROR) (?P<id>\S+?\.py(?:::[^\s\[]+(?:\[.*?\])?)?)(?: - .*)?$"
    ),
    # unittest; since Python 3.11 the whole name stands in the parentheses.
    re.compile(r"^(?:FAIL|ERROR): (?P<name>\w+) \((?P<id>[\w.<>]+)\)"),
    re.compile(r"^\s*--- FAIL: (?P<id>\S+)"),  # go
    re.compile(r"^test (?P<id>\S.*?) \.\.\. FAILED$"),  # cargo
    re.compile(r"^\s*● (?P<id>(?!Console|Test suite failed).+?)\s*$"),  # jest
    # vitest
    re.compile(
        r"^\s*(?:FAIL|\u00d7)\s+(?P<id>\S+\.[cm]?[jt]sx?(?: > .+?)?)(?: \d+m?s)?$"
    ),
    re.compile(r"^not ok \d+ (?:- )?(?P<id>.+?)(?: # time.*)?$"),  # TAP
    re.compile(r"^✖ (?P<id>(?!failing tests).+?)(?: \([\d.]+m?s\))?$"),  # node --test
)
# path:line:column: message, as compilers and linters write it; (line,column) is tsc's.
_FINDING = re.compile(
    r"^(?P<path>[^\s:()]+\.\w+)(?::\d+(?::\d+)?:|\(\d+,\d+\):) (?P<what>\S.*)$"
)
_NUMBERS = re.compile(r"\b\d+\b")


def plain(output: str) -> str:
    """An output without colours, and with the last state of each line only."""
    text = _ESCAPES.sub("", output).replace("\r\n", "\n")
    return "\n".join(line.rpartition("\r")[2] for line in text.split("\n"))


def failing(output: str) -> tuple[str, ...]:
    """The ids of the tests, or else of the findings, that a plain output names, in
    order. One that comes again has a number."""
    lines = output.split("\n")
    found = list(dict.fromkeys(_ids(lines))) or list(_numbered(_findings(lines)))
    return tuple(one[:_LONGEST] for one in found[:MOST])


def _ids(lines: list[str]) -> Iterator[str]:
    for line in lines:
        for pattern in _TESTS:
            if len(line) < 2 * _LONGEST and (match := pattern.match(line)):
                name = match.groupdict().get("name")
                found = match["id"]
                whole = name is None or found.endswith(f".{name}")
                yield found if whole else f"{found}.{name}"
                break


def _findings(lines: list[str]) -> Iterator[str]:
    for line in lines:
        match = _FINDING.match(line) if len(line) < 2 * _LONGEST else None
        if match is not None:
            # Lines move when others are added above.
            yield f"{match['path']}: {_NUMBERS.sub('N', match['what'])}"


def _numbered(ids: Iterator[str]) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for one in ids:
        seen[one] += 1
        yield one if seen[one] == 1 else f"{one} ({seen[one]})"
