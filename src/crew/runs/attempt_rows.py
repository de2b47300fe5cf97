"""From an attempt and its calls to a row of the journal."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from math import ceil
from typing import Any

from crew.calls.run import Run
from crew.gates import Trust, Verdict
from crew.journal import AttemptRecord, CallRecord
from crew.ladder import Ladder, kind_of
from crew.settings import Settings, TaskSpec
from crew.tasks.attempt import Attempt
from crew.tasks.trial import served_otherwise, trial_of

DAY = 86_400.0
LOOKS_BACK = 30 * DAY
"""Seconds over which failed and escalated tasks are counted."""


def row(
    run: Run,
    spec: TaskSpec,
    attempt: Attempt,
    ladder: Ladder,
    calls: Sequence[CallRecord],
) -> AttemptRecord:
    """The row of an attempt that made these calls."""
    decided = _decided(attempt)
    made = AttemptRecord(
        **_tried(run, spec, calls),
        run=run.id,
        task=spec.name,
        number=attempt.number,
        at=run.clock.now(),
        kind=kind_of(run.settings, spec, attempt.role),
        complexity=spec.complexity,
        step=attempt.step,
        place=attempt.place,
        deployment=attempt.deployment,
        prompt=_hash(_prompt(run.settings, spec)),
        gate=decided.gate if decided else "",
        trust=str(decided.trust) if decided else "",
        verdict="passed" if attempt.passed else "failed",
        reason_hash=_hash(decided.reason) if decided and decided.reason else "",
        fed_back=attempt.told,
        why=attempt.why,
        **_taken(calls),
        cut_off=attempt.cut_off,
        task_trust=ladder.trust,
        prompt_style=attempt.style,
        complexity_reason=spec.complexity_reason,
    )
    if attempt.place >= len(ladder.steps):
        return made
    step = ladder.steps[attempt.place]
    return replace(made, p=step.counted, c=step.price, rest=step.rest)


def _tried(run: Run, spec: TaskSpec, calls: Sequence[CallRecord]) -> dict[str, Any]:
    """The experiment that the task is in."""
    trial = trial_of(run.settings, spec, run.id)
    if trial is None:
        return {}
    return {
        "experiment": trial.draw.experiment.name,
        "arm": trial.arm.name,
        "pair": trial.draw.experiment.pair,
        "left_out": served_otherwise(trial, spec, calls),
    }


def _taken(calls: Sequence[CallRecord]) -> dict[str, Any]:
    """What the calls took together."""
    return {
        "cost_usd": _sum([call.cost_usd for call in calls]),
        "premium_usd": _sum([call.senior_usd for call in calls if call.ok]),
        "seconds": sum(call.seconds for call in calls),
        "calls": len(calls),
        "input_tokens": sum(call.input_tokens for call in calls),
        "output_tokens": sum(call.output_tokens for call in calls),
        "cached_tokens": sum(call.cached_tokens for call in calls),
        "is_free": all(call.cost_usd == 0 for call in calls),
    }


def escalation_bound(run: Run, *, first: bool) -> str:
    """Why a task may not be escalated, by `at_most`; empty where it may. `first`: it
    was not before."""
    at_most, now = run.settings.ladder.escalate.at_most, run.clock.now()
    if at_most.share is not None and first:
        known = run.journal.attempts.escalations(now - LOOKS_BACK)
        # Rounded up: of few failures one may be escalated.
        if known.escalated >= ceil(at_most.share * known.failed):
            share = f"{at_most.share * 100:f}".rstrip("0").rstrip(".")
            return f"{share} % of failures are escalated (`at_most`)"
    if at_most.usd_a_day is not None:
        known = run.journal.attempts.escalations(now - DAY)
        if known.usd >= at_most.usd_a_day:
            return f"{at_most.usd_a_day} usd a day are spent on escalation (`at_most`)"
    return ""


def _decided(attempt: Attempt) -> Verdict | None:
    """The gate that refused it, or the strongest that it passed."""
    if attempt.refused is not None:
        return attempt.refused
    passed = [one for one in attempt.verdicts if one.passed]
    order = list(Trust)
    return min(passed, key=lambda one: order.index(one.trust), default=None)


def _prompt(settings: Settings, spec: TaskSpec) -> str:
    role = settings.roles.get(spec.agent or "")
    own = (role.role, role.goal, role.backstory) if role is not None else ()
    return "\n".join((spec.description, spec.expected_output, *own))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


def _sum(amounts: Sequence[Decimal | None]) -> Decimal | None:
    known = [one for one in amounts if one is not None]
    return sum(known, Decimal(0)) if len(known) == len(amounts) else None
