"""Why a check that passes may prove less than it seems to (pure)."""

import re
from collections.abc import Iterator, Sequence

from crew.checks.counts import Counts

_NAMED = re.compile(r"test|spec", re.IGNORECASE)
_RUNNERS = re.compile(
    r"\b(?:pytest|unittest|tox|nox|jest|vitest|mocha|rspec|phpunit|ctest)\b"
    r"|\b(?:go|cargo|npm|pnpm|yarn|bun|make|just|hatch|deno|node|mvn|gradlew?|dotnet"
    r"|mix|task) (?:run )?(?:--)?test\b"
)
_LISTED = 10


def runs_tests(name: str, command: str) -> bool:
    """Whether a check is meant to run tests, by its name and command."""
    return bool(_NAMED.search(name) or _RUNNERS.search(command))


def asks_base(now: Counts | None, *, tests: bool, touched: bool) -> bool:
    """Whether a check that passes is to be compared with the base, which costs a run
    of it: where the run could have changed what is tested, or something was skipped."""
    if now is None:
        return tests
    return touched or now.skipped > 0 or now.ran == 0


def doubts(
    now: Counts | None, before: Counts | None, gone: Sequence[str], *, passed: bool
) -> tuple[str, ...]:
    """The reasons, each a line. `before` is what was counted at the base, `gone` are
    tests that the run took away."""
    return tuple(_doubts(now, before, gone, passed=passed))


def _doubts(
    now: Counts | None, before: Counts | None, gone: Sequence[str], *, passed: bool
) -> Iterator[str]:
    if gone:
        more = f" and {len(gone) - _LISTED} more" if len(gone) > _LISTED else ""
        yield f"the run removed tests: {', '.join(gone[:_LISTED])}{more}"
    if not passed:
        return
    if now is not None and now.ran == 0:
        yield "no test ran"
    elif now is not None and now.failed:
        yield f"it ends without an error although it counts {_tests(now.failed)} failed"
    if before is None or not before.passed:
        return
    if now is None:
        yield f"it counts no tests any more; {_tests(before.passed)} passed at the base"
    elif now.passed < before.passed:
        skipped = now.skipped - before.skipped
        why = f" ({skipped} more are skipped)" if skipped > 0 else ""
        yield (f"{_tests(now.passed)} passed, and {before.passed} at the base{why}")


def _tests(number: int) -> str:
    return f"{number} test" if number == 1 else f"{number} tests"
