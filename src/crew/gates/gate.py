"""What a gate is: it looks at a task's work, and gives a verdict."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from crew.settings import GateSpec
from crew.workspace import Workspace

MODEL = 3
"""The cost of a gate that asks a model."""
REASON_CHARACTERS = 4_000
"""Characters of a reason: it goes to a model, and into the record."""


class Trust(StrEnum):
    """How much a passed gate says about the work, the most first."""

    TESTS = "tests"
    EXAMPLES = "examples"
    SHAPE = "shape"


class Found(StrEnum):
    """What a gate found. `nothing`: it had nothing to look at, which is no failure,
    and does not count as passed either."""

    PASSED = "passed"
    FAILED = "failed"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one gate made of the work. `reason` says what is wrong or was missing, and
    may say what a passed gate counted; it may hold hostile text."""

    gate: str
    trust: Trust
    found: Found
    reason: str = ""

    @property
    def passed(self) -> bool:
        return self.found is Found.PASSED

    @property
    def failed(self) -> bool:
        return self.found is Found.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a gate looks at: the text of the result, what was `asked` (the task's
    text), and the workspace. `changed` are the files that differ from how they stood
    when the task began; None where nobody noted that. `cut_off`: the text ended at the
    bound of its length."""

    text: str
    asked: str
    workspace: Workspace
    changed: Sequence[str] | None = None
    cut_off: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict before it has the name and the trust of its gate."""

    found: Found
    reason: str = ""


PASSES = Finding(Found.PASSED)


def fails(reason: str) -> Finding:
    """The work goes back, for this reason."""
    return Finding(Found.FAILED, reason[:REASON_CHARACTERS])


def nothing(reason: str) -> Finding:
    """There was nothing to look at; `reason` says what was missing."""
    return Finding(Found.NOTHING, reason[:REASON_CHARACTERS])


Look = Callable[[Work], Finding]


class Asking(Protocol):
    """Asks a model of a tier for its opinion; returns its answer, or None where no
    model can be asked."""

    def __call__(self, tier: str, question: str) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate of a task. `cost` orders the gates: 0 for a look, 1 for a command of
    ours, 2 for the user's checks, 3 for a model."""

    spec: GateSpec
    trust: Trust
    cost: int
    look: Look

    @property
    def name(self) -> str:
        return str(self.spec)

    @property
    def needs_model(self) -> bool:
        """Whether it asks a model."""
        return self.cost >= MODEL

    def judge(self, work: Work) -> Verdict:
        """What the gate makes of the work."""
        finding = self.look(work)
        return Verdict(
            gate=self.name,
            trust=self.trust,
            found=finding.found,
            reason=finding.reason,
        )
