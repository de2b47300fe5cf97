"""Experiments: a role's tasks are split between arms, as experiments.yaml says it."""

from dataclasses import dataclass
from decimal import Decimal

from crew.settings.patterns import Pattern
from crew.settings.styles import BUILT_IN

STYLES = tuple(BUILT_IN)
"""The prompts that have a name; any other is a file, such as `short.md`."""
NO_PATTERN = "no pattern"
"""The arm whose role works alone, whatever agents.yaml says."""
CLIMBS = " > "
"""What stands between the steps of an arm that is a ladder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSpec:
    """One way to do the tasks: at a deployment, with a prompt, both, up a ladder of
    deployments and tiers, or by a pattern. A pattern without parts: alone."""

    deployment: str | None = None
    prompt: str | None = None
    ladder: tuple[str, ...] = ()
    pattern: Pattern | None = None

    @property
    def name(self) -> str:
        """What the journal and reports call it."""
        if self.ladder:
            return CLIMBS.join(self.ladder)
        if self.pattern is not None:
            return f"pattern {self.pattern}" if self.pattern.parts else NO_PATTERN
        prompt = f"prompt {self.prompt}" if self.prompt else None
        return " with ".join(filter(None, (self.deployment, prompt)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSpec:
    """One experiment. `share` is the part of the role's tasks in it, from 0 to 1;
    `decide_at` is the evidence that decides: 1 / alpha. Another `seed` draws others.
    `pair` names one comparison of the same task at each arm; empty: the arms get
    different tasks."""

    name: str
    role: str
    arms: tuple[ArmSpec, ...]
    share: Decimal = Decimal("0.5")
    decide_at: Decimal = Decimal(20)
    seed: int = 0
    pair: str = ""


def climbs(arm: str) -> bool:
    """Whether an arm of this name is a ladder: then the whole task counts."""
    return CLIMBS in arm
