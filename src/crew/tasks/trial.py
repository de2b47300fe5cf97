"""A task in an experiment: its arm becomes the first step of its ladder (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from crew.experiments import Draw, drawn
from crew.journal import CallRecord
from crew.ladder import Ladder, Step, is_audited
from crew.settings import ArmSpec, Settings, TaskSpec
from crew.settings.patterns import Pattern

AUDITED = "an audit: the premium goes first"
UNSERVED = "no deployment answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a task tries out. `deployments` are those that count for its arm, by the
    steps of a ladder; none: whoever serves it. `left_out` says why the task keeps the
    ladder that it had, and does not count."""

    draw: Draw
    steps: tuple[tuple[str, ...], ...] = ()
    left_out: str = ""

    @property
    def arm(self) -> ArmSpec:
        return self.draw.arm

    @property
    def prompt(self) -> str | None:
        """The style that goes before the deployment's own."""
        return None if self.left_out else self.arm.prompt

    @property
    def pattern(self) -> Pattern | None:
        """The pattern that goes before the role's own; None: the arm has none."""
        return None if self.left_out else self.arm.pattern


def trial_of(settings: Settings, task: TaskSpec, run: str) -> Trial | None:
    """What a task of a run tries out; None for a task that is in no experiment. The
    same whenever it is asked: a resumed run goes on with the same arm."""
    draw = drawn(
        settings.experiments.values(), role=task.agent, run=run, task=task.name
    )
    if draw is None:
        return None
    if is_audited(run, task.name, settings.ladder):
        return Trial(draw=draw, left_out=AUDITED)
    arm = draw.arm
    if (part := _closed_part(settings, arm)) is not None:
        return Trial(draw=draw, left_out=f"no key for the {part}")
    names = arm.ladder or ((arm.deployment,) if arm.deployment else ())
    steps = tuple(_usable(settings, name) for name in names)
    if names and not steps[0]:
        return Trial(draw=draw, left_out=f"no key for {names[0]}")
    return Trial(draw=draw, steps=tuple(step for step in steps if step))


def with_arm(ladder: Ladder, trial: Trial | None) -> Ladder:
    """The ladder that a task climbs at its arm: that deployment first, and then what
    there was; an arm that is a ladder is all of it."""
    if trial is None or trial.left_out or not trial.steps:
        return ladder
    why = f"the experiment {trial.draw.experiment.name}"
    own = [
        Step(name=_named(trial, place), deployments=names, why=why)
        for place, names in enumerate(trial.steps)
    ]
    if trial.arm.ladder:
        return replace(ladder, steps=tuple(own))
    known = {name for step in own for name in step.deployments}
    others = []
    for step in ladder.steps:
        new = tuple(one for one in step.deployments if one not in known)
        old = tuple(one for one in step.deployments if one in known)
        if new:  # the arm's own comes last: it serves where the others are closed
            others.append(replace(step, deployments=(*new, *old)))
    return replace(ladder, steps=(*own, *others))


def served_otherwise(trial: Trial, task: TaskSpec, calls: Sequence[CallRecord]) -> str:
    """Why an attempt that made these calls does not count for the arm; empty where it
    does."""
    if trial.left_out:
        return trial.left_out
    answered = [
        call.deployment for call in calls if call.ok and task.agent in (None, call.role)
    ]
    if not answered:
        return UNSERVED
    own = {name for step in trial.steps for name in step}
    other = next((name for name in answered if own and name not in own), None)
    return "" if other is None else f"{other} served it, not the arm"


def _closed_part(settings: Settings, arm: ArmSpec) -> str | None:
    """A part of the arm's pattern that no deployment can serve, if there is one."""
    parts = arm.pattern.parts if arm.pattern is not None else {}
    for part, chain in parts.items():
        if not any(_usable(settings, name) for name in chain):
            return part
    return None


def _usable(settings: Settings, name: str) -> tuple[str, ...]:
    """The deployments of a step that have a key."""
    tier = settings.tiers.get(name)
    chain = (name,) if tier is None else tier.chain
    return tuple(one for one in chain if settings.deployments[one].provider.available)


def _named(trial: Trial, place: int) -> str:
    return trial.arm.ladder[place] if trial.arm.ladder else trial.arm.name
