"""What a check found."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """How a check ended.

    `reason` is the part of its output that shows what fails; empty where it passed.
    `ended_by` is "exit", or what ended it: "timeout", "memory", "processes", "disk",
    "output", "interrupted", "setup" where the setup failed, "refused" where it did not
    start, or what it starts is not in the sandbox. `broke` names what fails now and did
    not at the base commit, `failing_before` what fails now and did so there too: the
    ids of tests where the output shows them, else the check's name. `doubts` says, in
    lines, why it proves less than it seems to: tests that the run removed or that are
    skipped now, or that none ran.
    """

    name: str
    passed: bool
    reason: str = ""
    seconds: float = 0.0
    ended_by: str = "exit"
    broke: tuple[str, ...] = ()
    failing_before: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def proves(self) -> bool:
        """Whether it passed, and what passed is as much as before the run."""
        return self.passed and not self.doubts

    @property
    def blames_run(self) -> bool:
        """Whether the run's own work is at fault, as far as one can tell."""
        return not self.passed and (bool(self.broke) or not self.failing_before)


def joined(name: str, parts: dict[str, CheckResult]) -> CheckResult:
    """The results of one check in several repositories as one."""
    if len(parts) == 1:
        return next(iter(parts.values()))
    failed = {where: one for where, one in parts.items() if not one.passed}

    def ids(which: str) -> tuple[str, ...]:
        return tuple(
            f"{where}: {one}"
            for where, part in parts.items()
            for one in getattr(part, which)
        )

    return CheckResult(
        name=name,
        passed=not failed,
        reason="\n\n".join(
            f"In {where}: {one.reason}" for where, one in failed.items()
        ),
        seconds=sum(one.seconds for one in parts.values()),
        ended_by=next((one.ended_by for one in failed.values()), "exit"),
        broke=ids("broke"),
        failing_before=ids("failing_before"),
        doubts=ids("doubts"),
    )
