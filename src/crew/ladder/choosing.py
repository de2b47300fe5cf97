"""The rule: a step stands before the rest if and only if p x P > c (pure)."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from crew.ladder.rates import HARDER
from crew.ladder.steps import Step
from crew.settings import LadderSpec

FURTHER = Decimal("0.5")
"""What the pass rate of a further cheap step counts: failures go together."""
NEAR = Decimal("0.10")
"""How near the premium's pass rate is near enough to end on examples."""
GOOD = Decimal("0.80")
"""The pass rate (its upper bound) from which on no other step is tried out."""

LeftOut = list[tuple[str, str]]


def choose(
    steps: Sequence[Step], spec: LadderSpec, trust: str, *, audited: bool
) -> tuple[list[Step], LeftOut]:
    """The cheap steps that are worth it and then the premium, of steps in the order of
    the YAML; and those that are left out, with the reason."""
    cheap = [step for step in steps if not step.is_premium]
    premium = next((step for step in steps if step.is_premium), None)
    left: LeftOut = []
    if premium is None:
        kept = cheap[: spec.cheap_steps + 1]
        return kept, _over(cheap[spec.cheap_steps + 1 :], spec)
    if audited:
        return [replace(premium, why="an audit: the premium goes first")], left
    if spec.order == "measured":
        cheap = _trusted(cheap, premium, trust, left)
        if _may_reorder(cheap, premium, trust):
            cheap = _by_gain(cheap, premium)
        elif trust == "tests":
            cheap = _tried_out(cheap, premium)
        cheap = _worthy(cheap, premium, spec.cheap_steps, left)
    left += _over(cheap[spec.cheap_steps :], spec)
    return _pruned(cheap[: spec.cheap_steps], premium, spec, left), left


def place(steps: Sequence[Step]) -> list[Step]:
    """The steps of a ladder with p, P and what going on costs, as far as known."""
    return [_placed(steps, at) for at in range(len(steps))]


def _placed(steps: Sequence[Step], at: int) -> Step:
    step, behind = steps[at], steps[at + 1 :]
    if step.is_premium:
        return step
    return replace(
        step,
        counted=_counted(step, is_first=at == 0),
        rest=_cost(behind, failed=at > 0),
        onward=_cost(behind, failed=True),
    )


def _counted(step: Step, *, is_first: bool) -> Decimal | None:
    if is_first:
        return step.rate.passes if step.rate.is_measured else None
    if step.rate.further is not None:
        return step.rate.further
    passes = step.rate.passes if step.rate.is_measured else None
    return None if passes is None else passes * FURTHER


def _cost(steps: Sequence[Step], *, failed: bool) -> Decimal | None:
    """What climbing these steps is expected to cost. A step of which nobody knows
    enough counts as if it were not there."""
    for at, step in enumerate(steps):
        if step.is_premium:
            if not step.price:
                return None  # unknown, or free: then there is nothing to save
            return step.price * HARDER if failed else step.price
        p = _counted(step, is_first=not failed)
        if p is not None and step.price is not None:
            after = _cost(steps[at + 1 :], failed=True)
            return None if after is None else step.price + (1 - p) * after
    return None


def _trusted(
    cheap: Sequence[Step], premium: Step, trust: str, left: LeftOut
) -> list[Step]:
    """Without those that may not end the work: on examples, those that are measured
    to pass them less often than the premium."""
    if trust != "examples" or not premium.rate.is_measured:
        return list(cheap)
    kept = []
    for step in cheap:
        if step.rate.is_measured and _share(step) < _share(premium) - NEAR:
            why = f"passes {_share(step):.2f}, the premium {_share(premium):.2f}"
            left.append((step.name, f"{why}: not near enough to end on examples"))
        else:
            kept.append(step)
    return kept


def _share(step: Step) -> Decimal:
    found = step.rate.passes if step.rate.share is None else step.rate.share
    assert found is not None
    return found


def _may_reorder(cheap: Sequence[Step], premium: Step, trust: str) -> bool:
    """Whether any of them may go first: all are measured, and the gates find it out
    when one that the YAML names later does worse."""
    if trust == "shape" or (trust == "examples" and not premium.rate.is_measured):
        return False
    return all(_gains(step, premium) for step in cheap)


def _tried_out(cheap: Sequence[Step], premium: Step) -> list[Step]:
    """Where the first step is measured and passes too little, the first that is not
    measured goes before it: as long as it only follows, or is beyond `cheap_steps`,
    nobody learns that it is the better one. The tests find out what it does badly."""
    measured: list[Step] = []
    unknown: list[Step] = []
    for step in cheap:
        (measured if _gains(step, premium) else unknown).append(step)
    if not measured or unknown[0] is cheap[0]:
        return list(cheap)
    ordered = _by_gain(measured, premium)
    passes = max(step.rate.passes or Decimal(0) for step in measured)
    if passes >= GOOD:
        return [*ordered, *unknown]
    tried = replace(unknown[0], why=f"not measured yet; the others pass {passes:.2f}")
    return [tried, *ordered, *unknown[1:]]


def _gains(step: Step, premium: Step) -> bool:
    """Whether it is known what a step saves."""
    return _alone(step, premium) is not None


def _alone(step: Step, premium: Step) -> Decimal | None:
    """What a step saves that goes first, before the premium alone."""
    p, rest = _counted(step, is_first=True), _cost([premium], failed=False)
    if p is None or rest is None or step.price is None:
        return None
    return p * rest - step.price


def _by_gain(cheap: Sequence[Step], premium: Step) -> list[Step]:
    """The largest p x P - c first, then the further ones by theirs."""
    if not cheap:
        return []

    def alone(step: Step) -> Decimal:
        return _alone(step, premium) or Decimal(0)

    def further(step: Step) -> Decimal:
        p = _counted(step, is_first=False)
        rest = _cost([premium], failed=True)
        assert p is not None and rest is not None and step.price is not None
        return p * rest - step.price

    first = max(cheap, key=alone)
    others = [step for step in cheap if step is not first]
    return [first, *sorted(others, key=further, reverse=True)]


def _worthy(
    cheap: Sequence[Step], premium: Step, most: int, left: LeftOut
) -> list[Step]:
    """Those that are worth it at their place with only the premium behind them; from
    the `most` first of them on nobody looks."""
    kept: list[Step] = []
    for step in cheap:
        if len(kept) >= most:
            kept.append(step)
            continue
        here = _placed([*kept, step, premium], len(kept))
        if here.gain is None or here.gain > 0:
            kept.append(step)
        else:
            left.append((step.name, _not_worth(here)))
    return kept


def _pruned(
    cheap: Sequence[Step], premium: Step, spec: LadderSpec, left: LeftOut
) -> list[Step]:
    """The ladder, without what is not worth it before all that is behind it."""
    while True:
        placed = place([*cheap, premium])
        losing = [step for step in placed if step.gain is not None and step.gain <= 0]
        if spec.order != "measured" or not losing:
            return [_worded(step, spec) for step in placed]
        worst = min(losing, key=lambda step: step.gain or Decimal(0))
        left.append((worst.name, _not_worth(worst)))
        cheap = [step for step in cheap if step.name != worst.name]


def _worded(step: Step, spec: LadderSpec) -> Step:
    if step.gain is None or spec.order != "measured":
        return step
    return replace(step, why="p x P > c")


def _not_worth(step: Step) -> str:
    assert step.counted is not None and step.rest is not None
    assert step.price is not None
    return (
        f"p x P = {step.counted:.2f} x ${step.rest:.4f} is not more than "
        f"c = ${step.price:.4f}, by {step.rate.source}"
    )


def _over(steps: Sequence[Step], spec: LadderSpec) -> LeftOut:
    return [(step.name, f"`cheap_steps` is {spec.cheap_steps}") for step in steps]
