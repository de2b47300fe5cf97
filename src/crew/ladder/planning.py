"""The ladder: which deployments try a task, in which order (pure).

A step stands before the rest if and only if p x P > c: p is its pass rate at the gate,
P what going on without it is expected to cost, c what an attempt costs. Which steps
there may be is said here, and which of them stand in `choosing`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from crew.ladder.choosing import choose
from crew.ladder.rates import Rate, Rates, Unmeasured
from crew.ladder.steps import Ladder, Step
from crew.ladder.work import kind_of, planned_kind
from crew.routing import rule
from crew.settings import LadderSpec, Settings, TaskSpec


def plan(
    settings: Settings,
    task: TaskSpec,
    *,
    trust: str,
    rates: Rates | None = None,
    audited: bool = False,
) -> Ladder:
    """The ladder of a task whose strongest gate has this trust. `audited`: the premium
    goes first, to compare."""
    spec, rates = settings.ladder, rates or Unmeasured()
    kind = planned_kind(settings, task)
    steps = []
    for step in _candidates(settings, task):
        if step.deployments:
            rate = rates.of(step.deployments[0], kind, task.complexity, trust)
            step = replace(step, rate=rate, price=_price(rate, spec))
        steps.append(step)
    chosen, left_out = choose(steps, spec, trust, audited=audited)
    stays = ""
    if not spec.escalate.allows(task.complexity):
        stays = f"work of {task.complexity} complexity is not escalated (`escalate`)"
    retries = task.options.get("guardrail_max_retries", spec.retries)
    assert isinstance(retries, int)
    return Ladder(
        steps=tuple(chosen),
        retries=retries,
        trust=trust,
        stays=stays,
        left_out=tuple(left_out),
    )


def is_audited(run: str, task: str, spec: LadderSpec) -> bool:
    """Whether the premium goes first, to compare: by chance, and the same whenever
    the run is asked again."""
    drawn = hashlib.sha256(f"{run}/{task}".encode()).digest()[:8]
    return int.from_bytes(drawn) < spec.audit * 2**64


def _candidates(settings: Settings, task: TaskSpec) -> list[Step]:
    """The routed chain, what follows it, and the premium, each deployment once."""
    role = settings.roles.get(task.agent or "")
    premium = settings.ladder.premium or "senior"
    found: list[Step] = []
    if role is not None:
        routed = rule(settings, kind_of(settings, task), task.complexity)
        tier: str | None = role.tier
        head = (*routed, *settings.tiers[role.tier].chain)
        found.append(
            Step(name=role.tier, deployments=head, is_premium=role.tier == premium)
        )
        while tier is not None and tier != premium:
            tier = settings.tiers[tier].then
            if tier is not None:
                chain = settings.tiers[tier].chain
                found.append(
                    Step(name=tier, deployments=chain, is_premium=tier == premium)
                )
    if premium in settings.tiers and not any(step.is_premium for step in found):
        chain = settings.tiers[premium].chain
        found.append(Step(name=premium, deployments=chain, is_premium=True))
    steps = _distinct(settings, found)
    # Whoever the manager chooses works at his own tier first.
    return steps if role is not None else [Step(name="", deployments=()), *steps]


def _distinct(settings: Settings, steps: Sequence[Step]) -> list[Step]:
    """The steps with what is available, without those that bring nobody new."""
    seen: set[str] = set()
    kept: list[Step] = []
    for step in steps:
        usable = tuple(
            name
            for name in dict.fromkeys(step.deployments)
            if settings.deployments[name].provider.available
        )
        if set(usable) <= seen:
            continue
        # What tried before comes last: it serves only where the others are closed.
        new = tuple(name for name in usable if name not in seen)
        old = tuple(name for name in usable if name in seen)
        ordered = (*new, *old)
        same = ordered == step.deployments
        kept.append(step if same else replace(step, deployments=ordered))
        seen |= set(usable)
    return kept


def _price(rate: Rate, spec: LadderSpec) -> Decimal | None:
    if rate.usd is None:
        return None
    return rate.usd + (rate.seconds or 0) / Decimal(3600) * spec.hour_is_worth
