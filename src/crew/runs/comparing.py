"""One task at one deployment, alone: what `crew compare` runs (pure, but for git)."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from crew.errors import WorkspaceError
from crew.journal import AttemptRecord, Journal
from crew.settings import (
    ArmSpec,
    ExperimentSpec,
    Inputs,
    LadderSpec,
    Settings,
    TaskSpec,
    Tier,
)
from crew.workspace import Workspace
from crew.workspace.difference import text
from crew.workspace.git import git

_LADDER_KEYS = {"guardrail_max_retries", "async_execution"}


def comparison(task: str, deployments: Sequence[str]) -> str:
    """The name of the experiment that comparisons of this task at these deployments
    add up to, in whatever order they are named."""
    return f"compare:{task}:{','.join(sorted(deployments))}"


def problem(settings: Settings, task: str, *, images: bool) -> str:
    """Why a task cannot be compared; empty where it can."""
    spec = settings.tasks[task]
    if spec.agent is None:
        return "the task has no `agent`: the manager chooses who does it"
    if spec.when == "images" and not images:
        return "the task is left out of a run without images; add --image"
    return ""


def alone(
    settings: Settings, task: str, deployment: str, *, name: str, pair: str
) -> Settings:
    """The settings for this task at this deployment and nothing else: one attempt,
    without a ladder and without a fallback; limits and budgets hold as ever."""
    spec = settings.tasks[task]
    role = settings.roles[spec.agent or ""]
    tier = _unused("only", settings)
    arm = ArmSpec(deployment=deployment)
    experiment = ExperimentSpec(
        name=name, role=role.name, arms=(arm,), share=Decimal(1), pair=pair
    )
    return replace(
        settings,
        tiers={**settings.tiers, tier: Tier(name=tier, chain=(deployment,))},
        routing={},
        roles={role.name: replace(role, tier=tier)},
        tasks={task: _single(spec)},
        process="sequential",
        ladder=LadderSpec(
            cheap_steps=0,
            retries=0,
            premium=tier,
            order="fixed",
            attempt_times=settings.ladder.attempt_times,
            attempt_calls=settings.ladder.attempt_calls,
        ),
        experiments={name: experiment},
    )


def compared(settings: Settings) -> str:
    """The comparison that runs with these settings are a part of."""
    named = (one.name for one in settings.experiments.values() if one.pair)
    return next(named, "")


def heads(inputs: Inputs) -> tuple[str, ...]:
    """The commits that a run on these repositories begins at."""
    found = []
    for place in inputs.repositories:
        with suppress(WorkspaceError):  # it is no repository yet, or has no commit
            found.append(git(Path(place), "rev-parse", "HEAD").strip())
    return tuple(found)


def attempt_of(journal: Journal, run: str) -> AttemptRecord | None:
    """The one attempt of a run."""
    return next(iter(journal.attempts.of(run)), None)


def diff_of(workspace: Path, run: str) -> str:
    """What a run changed in its repositories."""
    recorded = Workspace.recorded(workspace, run)
    written = recorded.touched()
    return "".join(text(one, written) for one in recorded.repositories)


def _single(spec: TaskSpec) -> TaskSpec:
    options = {
        name: value for name, value in spec.options.items() if name not in _LADDER_KEYS
    }
    return replace(spec, context=(), options=options)


def _unused(name: str, settings: Settings) -> str:
    while name in settings.tiers or name in settings.deployments:
        name += "-"
    return name
