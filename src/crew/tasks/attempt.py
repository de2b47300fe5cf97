"""One attempt at a task, and the history of those that came before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from crew.gates import Found, Trust, Verdict

SHORT = 200
"""Characters of a reason in the history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt, judged.

    `number` counts from 1, `step` is the name of the ladder's step and `place` its
    index, `deployment` the one that answered last. `told`: it knew the reason of the
    one before. `why` says why it was made. `commits` are where the files are kept, by
    repository. `began` and `ended` are seconds since the epoch. `style` is how the
    prompt was worded, `role` who did most of the work, by the name in agents.yaml.
    """

    number: int
    step: str
    place: int
    deployment: str
    text: str = field(repr=False)
    verdicts: tuple[Verdict, ...] = ()
    told: bool = False
    why: str = ""
    cut_off: bool = False
    stalled: bool = False
    commits: Mapping[str, str] = field(default_factory=dict)
    began: float = 0.0
    ended: float = 0.0
    style: str = ""
    role: str = ""

    @property
    def passed(self) -> bool:
        """Whether no gate refuses it."""
        return self.refused is None

    @property
    def refused(self) -> Verdict | None:
        """The verdict of the gate that refuses it."""
        return next((one for one in self.verdicts if one.failed), None)

    @property
    def score(self) -> tuple[int, int]:
        """How good it is: by the gates that it passed, then by its age."""
        return sum(one.passed for one in self.verdicts), self.number

    @property
    def status(self) -> Literal["proved", "passed", "unproved", "failed"]:
        """What a task is whose last attempt this is."""
        if not self.passed:
            return "failed"
        passed = {one.trust for one in self.verdicts if one.passed}
        if Trust.TESTS in passed:
            return "proved"
        return "passed" if passed else "unproved"


def as_document(attempt: Attempt) -> dict[str, Any]:
    """An attempt as JSON; without its text, which may be long."""
    return {
        "number": attempt.number,
        "step": attempt.step,
        "place": attempt.place,
        "deployment": attempt.deployment,
        "told": attempt.told,
        "why": attempt.why,
        "cut_off": attempt.cut_off,
        "stalled": attempt.stalled,
        "commits": dict(attempt.commits),
        "began": attempt.began,
        "ended": attempt.ended,
        "style": attempt.style,
        "role": attempt.role,
        "gates": verdict_documents(attempt.verdicts),
    }


def from_document(known: Mapping[str, Any], text: str = "") -> Attempt:
    """An attempt of an earlier part of the run. Raises KeyError, TypeError and
    ValueError for what is none."""
    fields = {name: value for name, value in known.items() if name != "gates"}
    verdicts = tuple(
        Verdict(
            gate=one["name"],
            trust=Trust(one["trust"]),
            found=Found(one["verdict"]),
            reason=one["reason"],
        )
        for one in known["gates"]
    )
    return replace(Attempt(**fields, text=text), verdicts=verdicts)


def verdict_documents(verdicts: Sequence[Verdict]) -> list[dict[str, str]]:
    """Verdicts as the record of a run has them."""
    return [
        {
            "name": one.gate,
            "trust": str(one.trust),
            "verdict": str(one.found),
            "reason": one.reason,
        }
        for one in verdicts
    ]
