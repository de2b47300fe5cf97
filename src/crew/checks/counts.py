"""How many tests passed, failed and were skipped, by what the usual runners print
(pure)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LONGEST = 400
_WORD = re.compile(r"(\d+) (passed|failed|errors?|skipped|deselected|xfailed|xpassed)")
# pytest's last line; in parentheses the runner's own words where nothing ran.
_PYTEST = re.compile(
    r"^=* ?(?:no tests (?:ran|collected)|(?:\d+ (?:passed|failed|errors?|skipped|"
    r"deselected|xfailed|xpassed|warnings?|rerun|subtests passed|subtests failed)"
    r"(?:, )?)+).* in [\d.]+s"
)
_UNITTEST = re.compile(r"^Ran (\d+) tests? in ")
_UNITTEST_END = re.compile(r"^(?:OK|FAILED|NO TESTS RAN)(?: \((.*)\))?$")
_UNITTEST_PART = re.compile(r"(failures|errors|skipped|expected failures)=(\d+)")
_CARGO = re.compile(
    r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;"
)  # one line for each program
_JEST = re.compile(r"^\s*Tests:?\s+(?=.*\d+ (?:passed|failed|skipped|todo|total))")
_MOCHA = re.compile(r"^\s*(\d+) (passing|failing|pending)\b")
_NODE = re.compile(r"^(?:#|\u2139) (pass|fail|skipped|todo) (\d+)$")
_KINDS = {
    "passed": "passed", "xpassed": "passed", "passing": "passed", "pass": "passed",
    "failed": "failed", "error": "failed", "errors": "failed", "failing": "failed",
    "fail": "failed", "failures": "failed",
    "skipped": "skipped", "deselected": "skipped", "xfailed": "skipped",
    "pending": "skipped", "todo": "skipped", "expected failures": "skipped",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many tests there were, by how they ended. One that is expected to fail
    proves as little as one that is skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def ran(self) -> int:
        """Those that were executed."""
        return self.passed + self.failed


def counted(output: str) -> Counts | None:
    """The sum of what a plain output counts; None where it counts nothing."""
    total: dict[str, int] = {"passed": 0, "failed": 0, "skipped": 0}
    seen = False
    for line in output.split("\n"):
        for kind, number in _of(line) if len(line) < _LONGEST else ():
            seen = True
            total[kind] += number
    return Counts(**{kind: max(0, n) for kind, n in total.items()}) if seen else None


def _of(line: str) -> Iterator[tuple[str, int]]:
    """What one line adds."""
    if _PYTEST.match(line) or _JEST.match(line):
        yield "passed", 0
        for number, word in _WORD.findall(line):
            yield _KINDS[word], int(number)
    elif match := _UNITTEST.match(line):
        yield "passed", int(match[1])
    elif match := _UNITTEST_END.match(line):
        # Its number of tests counts all of them.
        for word, number in _UNITTEST_PART.findall(match[1] or ""):
            yield _KINDS[word], int(number)
            yield "passed", -int(number)
    elif match := _CARGO.match(line):
        for kind, number in zip(
            ("passed", "failed", "skipped"), match.groups(), strict=True
        ):
            yield kind, int(number)
    elif match := _MOCHA.match(line):
        yield _KINDS[match[2]], int(match[1])
    elif match := _NODE.match(line):
        yield _KINDS[match[1]], int(match[2])
