"""A check that ended becomes a result: compared with the base of the run."""

from dataclasses import dataclass, field

from crew.checks.baseline import Baseline, Known, found
from crew.checks.counts import Counts, counted
from crew.checks.doubts import asks_base, doubts, runs_tests
from crew.checks.failures import plain
from crew.checks.ground import Ground
from crew.checks.lacking import advice
from crew.checks.result import CheckResult
from crew.checks.touched import Touched, touched
from crew.sandbox.job import Ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparing:
    """One check of one repository. `whole`: not on some paths only, so that its tests
    can be counted."""

    name: str
    ground: Ground
    command: str
    baseline: Baseline
    whole: bool = True
    _seen: list[Touched] = field(default_factory=list, init=False)

    def result(self, ended: Ended) -> CheckResult:
        """What the command found."""
        if ended.passed:
            return self._passed(ended)
        known = found(self.name, ended) is not None
        return self.failed(ended, self._base() if known else None)

    def failed(self, ended: Ended, before: Known | None) -> CheckResult:
        """One that did not pass; `before` is None where nobody knows, or it does not
        matter."""
        runner = self.baseline.runner
        now = (found(self.name, ended) or []) if before is not None else []
        earlier = before.failing if before is not None else frozenset()
        # Where nothing could be told apart before, nothing is told apart now.
        old = [one for one in now if one in earlier or self.name in earlier]
        # What the base lacks as well is no work of the run's.
        lacks = self._advice(ended) if len(old) == len(now) else ""
        whole = before is None or self.name in earlier
        return CheckResult(
            name=self.name,
            passed=False,
            reason="\n".join(filter(None, (runner.shown(ended, self.ground), lacks))),
            seconds=ended.seconds,
            ended_by="refused" if lacks and whole and ended.by == "exit" else ended.by,
            broke=tuple(runner.masked(one) for one in now if one not in old),
            failing_before=tuple(map(runner.masked, old)),
            doubts=self._doubts(ended, before),
        )

    def _passed(self, ended: Ended) -> CheckResult:
        before, now = None, counted(plain(ended.output))
        if self._has_tests(now):
            files = bool(self._touched().files)
            tests = runs_tests(self.name, self.command)
            before = (
                self._base() if asks_base(now, tests=tests, touched=files) else None
            )
        return CheckResult(
            name=self.name,
            passed=True,
            seconds=ended.seconds,
            doubts=self._doubts(ended, before),
        )

    def _doubts(self, ended: Ended, before: Known | None) -> tuple[str, ...]:
        now = counted(plain(ended.output))
        if not self._has_tests(now):
            return ()
        counts = before.counts if before is not None else None
        lines = doubts(now, counts, self._touched().gone, passed=ended.passed)
        return tuple(map(self.baseline.runner.masked, lines))

    def _has_tests(self, now: Counts | None) -> bool:
        """Whether there are tests to lose: a linter has none."""
        counts = now is not None or runs_tests(self.name, self.command)
        return self.whole and counts

    def _touched(self) -> Touched:
        if not self._seen:
            self._seen.append(touched(self.ground))
        return self._seen[0]

    def _advice(self, ended: Ended) -> str:
        runner = self.baseline.runner
        if ended.by not in ("exit", "setup") or runner.settings.runtime == "off":
            return ""
        share = runner.settings.share
        return runner.masked(advice(plain(ended.output), self.ground.source, share))

    def _base(self) -> Known | None:
        return self.baseline.known(self.name, self.ground, self.command)
