"""The ladder: which deployments try a task, in which order (pure).

A step stands before the rest if and only if p x P > c: p is its pass rate at the gate,
P what going on without it is expected to cost, c what an attempt costs.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from crew.ladder.rates import Rate, Rates, Unmeasured
from crew.ladder.steps import Ladder, Step
from crew.routing import rule
from crew.settings import LadderSpec, Settings, TaskSpec

HARDER = Decimal("1.15")
"""What a task that failed before costs the premium, times its average."""
FURTHER = Decimal("0.5")
"""What the pass rate of a further cheap step counts: failures go together."""
NEAR = Decimal("0.10")
"""How near the premium's pass rate is near enough to end on examples."""


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
    kind = _kind(settings, task)
    steps = _candidates(settings, task)
    known = [
        replace(step, rate=rates.of(step.deployments[0], kind, task.complexity))
        if step.deployments
        else step
        for step in steps
    ]
    priced = _priced(known, spec)
    if audited and priced and priced[-1].is_premium:
        ordered = [replace(priced[-1], why="an audit: the premium goes first")]
    else:
        ordered = _ordered(priced, spec, trust)
    stays = ""
    if not spec.escalate.allows(task.complexity):
        stays = f"work of {task.complexity} complexity is not escalated (`escalate`)"
    retries = task.options.get("guardrail_max_retries", spec.retries)
    assert isinstance(retries, int)
    return Ladder(steps=tuple(ordered), retries=retries, trust=trust, stays=stays)


def is_audited(run: str, task: str, spec: LadderSpec) -> bool:
    """Whether the premium goes first, to compare: by chance, and the same whenever
    the run is asked again."""
    drawn = hashlib.sha256(f"{run}/{task}".encode()).digest()[:8]
    return int.from_bytes(drawn) < spec.audit * 2**64


def _kind(settings: Settings, task: TaskSpec) -> str | None:
    role = settings.roles.get(task.agent or "")
    return task.kind or (role.kind if role is not None else None)


def _candidates(settings: Settings, task: TaskSpec) -> list[Step]:
    """The routed chain, what follows it, and the premium, each deployment once."""
    role = settings.roles.get(task.agent or "")
    premium = settings.ladder.premium or "senior"
    found: list[Step] = []
    if role is not None:
        routed = rule(settings, _kind(settings, task), task.complexity)
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
        kept.append(replace(step, deployments=(*new, *old)))
        seen |= set(usable)
    return kept


def _priced(steps: Sequence[Step], spec: LadderSpec) -> list[Step]:
    """The steps with c and P, as far as they are known."""
    prices = [_price(step.rate, spec) for step in steps]
    last = prices[-1] if steps and steps[-1].is_premium else None
    rest = None if last is None else last * HARDER
    return [
        replace(step, price=price, rest=None if step.is_premium else rest)
        for step, price in zip(steps, prices, strict=True)
    ]


def _price(rate: Rate, spec: LadderSpec) -> Decimal | None:
    if rate.usd is None:
        return None
    return rate.usd + (rate.seconds or 0) / Decimal(3600) * spec.hour_is_worth


def _ordered(steps: Sequence[Step], spec: LadderSpec, trust: str) -> list[Step]:
    """The cheap steps that are worth it, then the premium."""
    cheap = [step for step in steps if not step.is_premium]
    premium = [step for step in steps if step.is_premium]
    if not premium:
        return list(steps)[: spec.cheap_steps + 1]
    if spec.order == "measured":
        worth = [step for step in cheap if step.gain is None or step.gain > 0]
        cheap = _by_gain([_worded(step) for step in worth], premium[0], trust)
    return [*cheap[: spec.cheap_steps], *premium]


def _worded(step: Step) -> Step:
    if step.gain is None:
        return step
    return replace(step, why=f"p x P > c, by {step.rate.source}")


def _by_gain(steps: list[Step], premium: Step, trust: str) -> list[Step]:
    """The largest gain first, where the trust of the gates lets any deployment end the
    work; else the order of the YAML. A further step counts half its pass rate."""
    if trust == "shape" or any(step.gain is None for step in steps):
        return steps
    if trust == "examples":
        first, others = steps[:1], steps[1:]
        near = [step for step in others if _is_near(step, premium)]
        steps = [*first, *near]
    ordered = sorted(steps, key=lambda step: step.gain or Decimal(0), reverse=True)
    return [
        step
        for place, step in enumerate(ordered)
        if place == 0 or _is_worth_further(step)
    ]


def _is_near(step: Step, premium: Step) -> bool:
    if step.rate.passes is None or premium.rate.passes is None:
        return False
    return step.rate.passes >= premium.rate.passes - NEAR


def _is_worth_further(step: Step) -> bool:
    assert step.rate.passes is not None
    assert step.rest is not None and step.price is not None
    return step.rate.passes * FURTHER * step.rest > step.price
