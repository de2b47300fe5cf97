"""The ladder: which deployments try a task, in which order, and what follows a verdict
(pure).

A step stands before the rest if and only if p x P > c: p is its pass rate at the gate,
P what going on without it is expected to cost, c what an attempt costs.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Protocol

from crew.routing import rule
from crew.settings import LadderSpec, Settings, TaskSpec

ENOUGH = 10
"""Outcomes of a deployment below which the order of the YAML holds."""
HARDER = Decimal("1.15")
"""What a task that failed before costs the premium, times its average."""
FURTHER = Decimal("0.5")
"""What the pass rate of a further cheap step counts: failures go together."""
NEAR = Decimal("0.10")
"""How near the premium's pass rate is near enough to end on examples."""
PRIOR_RETRY = {"tests": Decimal("0.4")}
"""How many of its failures the same model mends when it gets the reason."""
PRIOR_RETRY_OTHERWISE = Decimal("0.15")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What is known of a deployment at one kind of work.

    `outcomes` is how many first attempts that is taken from. `passes` is the upper
    bound of its pass rate, and `mends` that of a try with the reason; None: nobody
    knows. `usd` and `seconds` are of one attempt. `source` says where that comes from.
    """

    outcomes: int = 0
    passes: Decimal | None = None
    mends: Decimal | None = None
    usd: Decimal | None = None
    seconds: Decimal | None = None
    source: str = "nothing is known"

    @property
    def is_measured(self) -> bool:
        """Whether there are enough outcomes to go by."""
        return self.outcomes >= ENOUGH and self.passes is not None


class Rates(Protocol):
    """The pass rates and prices of attempts, such as the journal's."""

    def of(self, deployment: str, kind: str | None, complexity: str) -> Rate:
        """What is known of a deployment at this kind of work."""
        ...


class Unmeasured:
    """No outcome at all: every ladder is the YAML's."""

    def of(self, deployment: str, kind: str | None, complexity: str) -> Rate:
        return Rate()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: the deployments that serve it, in order, and what is known of the
    first. `price` is what an attempt costs with its time (c), `rest` what going on
    without it costs (P). `why` is why it stands where it stands."""

    name: str
    deployments: tuple[str, ...]
    is_premium: bool = False
    rate: Rate = Rate()
    price: Decimal | None = None
    rest: Decimal | None = None
    why: str = "the order of the YAML"

    @property
    def gain(self) -> Decimal | None:
        """p x P - c; None where a number is missing."""
        if not self.rate.is_measured or self.price is None or self.rest is None:
            return None
        assert self.rate.passes is not None
        return self.rate.passes * self.rest - self.price


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """The steps of a task. `retries` is how often the same model is told the reason
    and tries again; `stays` says why no further step is climbed, where that is so."""

    steps: tuple[Step, ...]
    retries: int
    trust: str
    stays: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a task stands: at which step, and how many attempts it made there."""

    step: int = 0
    tries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The same model tries again, and knows the reason."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Climb:
    """The next step tries."""

    step: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Nobody else tries."""

    why: str


Move = Retry | Climb | End


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


def after(
    ladder: Ladder, place: Place, *, closed: Sequence[int] = (), bound: str = ""
) -> Move:
    """What follows a failed attempt. `closed` are the steps that no deployment serves
    now, `bound` why no more work may be escalated."""
    here = ladder.steps[place.step] if ladder.steps else None
    if place.tries <= ladder.retries and (here is None or _mends(here, ladder)):
        return Retry(why=f"the reason goes back ({place.tries} of {ladder.retries})")
    above = range(place.step + 1, len(ladder.steps))
    if not above:
        return End(why="there is no further step")
    if ladder.stays or bound:
        return End(why=ladder.stays or bound)
    for step in above:
        if step not in closed:
            return Climb(step=step, why=f"{ladder.steps[step].name} is the next step")
    return End(why="every further step is closed")


def _mends(step: Step, ladder: Ladder) -> bool:
    """Whether a try with the reason is worth its price: r x P > c."""
    prior = PRIOR_RETRY.get(ladder.trust, PRIOR_RETRY_OTHERWISE)
    mends = prior if step.rate.mends is None else step.rate.mends
    if step.is_premium or step.price is None or step.rest is None:
        return True  # the premium has nobody after it; without prices the YAML holds
    return mends * step.rest > step.price


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
