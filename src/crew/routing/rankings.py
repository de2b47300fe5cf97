"""How each strategy ranks deployments, what a place before another is worth, and why in
words (pure)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crew.routing.signals import Left, Signals
from crew.settings import Deployment
from crew.settings.strategies import COST, HEADROOM, LATENCY, LEAST_BUSY, MEASURED

CALL_SECONDS = 10.0
"""What one call in flight is taken to hold up the next, for `least_busy`."""
_FULL = Left(share=1.0)

Key = tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """One strategy at one moment.

    `key` ranks a deployment: the smaller goes first, and those that are alike stay in
    the order of the YAML. `gain` is what a deployment is worth more than another, in US
    dollars, without what a warm cache is worth. `why` says what speaks for it.
    """

    key: Callable[[Deployment], Key]
    gain: Callable[[Deployment, Deployment], float]
    why: Callable[[Deployment], str]


def ranking(strategy: str, among: Sequence[Deployment], signals: Signals) -> Ranking:
    """The ranking of a strategy other than `priority`."""
    return _RANKINGS[strategy](among, signals)


def by_worth(among: Sequence[Deployment], signals: Signals) -> list[Deployment]:
    """The ladder's rule: the largest p x P - c first. What is not measured yet keeps
    its place."""
    worth = signals.worth
    known = [one for one in among if one.name in worth]
    best = iter(sorted(known, key=lambda one: -worth[one.name].usd))
    return [next(best) if one.name in worth else one for one in among]


def usd(deployment: Deployment, signals: Signals, *, without: int = 0) -> float | None:
    """What the call is expected to cost there, without so many tokens of its input;
    None when nobody knows the price."""
    expected, price = signals.expected.get(deployment.name), deployment.price
    if price is None or expected is None:
        return None
    sent = max(0, expected.input_tokens - without)
    spent = float(price.input) * sent + float(price.output) * expected.output_tokens
    return spent / 1_000_000


def _headroom(among: Sequence[Deployment], signals: Signals) -> Ranking:
    """Free ones first: an allowance that is left at the day's end is lost. What runs
    out has to be paid at the dearest of them."""

    def left(one: Deployment) -> Left:
        return signals.left.get(one.name, _FULL)

    def gain(new: Deployment, old: Deployment) -> float:
        # Only a warm cache asks: what calls would cost need not be known before.
        dearest = max(usd(one, signals) or 0.0 for one in among)
        return (left(new).share - left(old).share) * dearest

    return Ranking(
        key=lambda one: (float(not is_free(one)), -left(one).share),
        gain=gain,
        why=lambda one: str(left(one)),
    )


def _latency(among: Sequence[Deployment], signals: Signals) -> Ranking:
    """The median and the spread together; what nobody measured goes first, as it is
    measured by that."""

    def seconds(one: Deployment) -> float:
        found = signals.times.get(one.name)
        return -1.0 if found is None else found.median + found.spread

    def gain(new: Deployment, old: Deployment) -> float:
        if min(seconds(new), seconds(old)) < 0:
            return 0.0
        return (seconds(old) - seconds(new)) / 3600 * signals.hour_is_worth

    def why(one: Deployment) -> str:
        found = signals.times.get(one.name)
        if found is None:
            return "calls of this size are not measured there yet"
        return f"{found.median:.1f} s ± {found.spread:.1f} s in {found.calls} calls"

    return Ranking(key=lambda one: (seconds(one),), gain=gain, why=why)


def _least_busy(among: Sequence[Deployment], signals: Signals) -> Ranking:
    def busy(one: Deployment) -> int:
        return signals.in_flight.get(one.name, 0)

    an_hour = signals.hour_is_worth * CALL_SECONDS / 3600
    return Ranking(
        key=lambda one: (float(busy(one)),),
        gain=lambda new, old: (busy(old) - busy(new)) * an_hour,
        why=lambda one: f"{busy(one)} calls in flight",
    )


def _cost(among: Sequence[Deployment], signals: Signals) -> Ranking:
    """What the whole call is expected to cost. The tokens in a cache are in the rule
    that a task stays by, and not in the gain."""
    cached = signals.warm.tokens if signals.warm else 0

    def cost(one: Deployment, without: int = 0) -> float:
        found = usd(one, signals, without=without)
        return math.inf if found is None else found

    def why(one: Deployment) -> str:
        return f"${cost(one):.6f} expected" if cost(one) < math.inf else "no price"

    return Ranking(
        key=lambda one: (cost(one),),
        gain=lambda new, old: _difference(cost(old, cached), cost(new, cached)),
        why=why,
    )


def _measured(among: Sequence[Deployment], signals: Signals) -> Ranking:
    place = {one.name: at for at, one in enumerate(by_worth(among, signals))}
    worth = signals.worth

    def gain(new: Deployment, old: Deployment) -> float:
        if not {new.name, old.name} <= worth.keys():
            return 0.0
        return worth[new.name].usd - worth[old.name].usd

    def why(one: Deployment) -> str:
        found = worth.get(one.name)
        if found is None:
            return "too few outcomes: as the YAML orders it"
        return (
            f"p x P - c = {found.p:.2f} x ${found.rest:.4f} - ${found.price:.4f} "
            f"= ${found.usd:.4f}"
        )

    return Ranking(key=lambda one: (place[one.name],), gain=gain, why=why)


_RANKINGS: dict[str, Callable[[Sequence[Deployment], Signals], Ranking]] = {
    HEADROOM: _headroom,
    LATENCY: _latency,
    LEAST_BUSY: _least_busy,
    COST: _cost,
    MEASURED: _measured,
}


def is_free(deployment: Deployment) -> bool:
    """Whether a call there costs nothing."""
    price = deployment.price
    return price is not None and not price.input and not price.output


def _difference(old: float, new: float) -> float:
    """Of two costs that may be infinite: unknown."""
    return 0.0 if old == new else old - new
