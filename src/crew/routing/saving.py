"""Who gets the free requests that are counted by the day (pure).

    a call takes a free request  <=>  v >= the (1 - s) quantile of V

v is what the call would cost at the paid deployment that follows, V what the latest
calls cost there, and s the free requests that are left for each call that is still
expected while they last. So the free requests go to the calls that save most money,
and all of them are used.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from crew.routing.rankings import is_free
from crew.routing.strategies import Arranged, Words
from crew.settings import Deployment

FEWEST = 20
"""Calls whose price must be known before any call is taken for a small one."""
KNOWN_DAYS = 7
"""How many of the last days say how many calls are still to come."""
DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The candidates that it concerns: `scarce` are free, with requests counted by the
    day, and `paid` is the first one after them that costs something."""

    scarce: tuple[Deployment, ...]
    between: tuple[Deployment, ...]
    paid: Deployment

    @property
    def names(self) -> tuple[str, ...]:
        """Who serves the calls that these free requests are for."""
        return tuple(one.name for one in (*self.scarce, *self.between, self.paid))


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """Free requests: how many are `left` until some moment, and how many calls are
    expected until then."""

    left: float
    expected: float

    @property
    def share(self) -> float:
        """Free requests for each call, 1 at the most."""
        return 1.0 if self.left >= self.expected else self.left / self.expected


def choice(
    candidates: Sequence[Deployment], is_scarce: Callable[[Deployment], bool]
) -> Choice | None:
    """What there is to choose between; None where no free requests are counted, or
    nothing that is paid comes after them."""
    scarce: list[Deployment] = []
    between: list[Deployment] = []
    for one in candidates:
        if is_free(one):
            (scarce if is_scarce(one) else between).append(one)
        elif scarce and one.price is not None:
            return Choice(scarce=tuple(scarce), between=tuple(between), paid=one)
        elif scarce:
            between.append(one)
    return None


def worth_from(allowances: Sequence[Allowance], costs: Sequence[float]) -> float:
    """US dollars from which on a call takes a free request; 0 where all may."""
    share = sum(one.share for one in allowances)
    if share >= 1 or len(costs) < FEWEST:
        return 0.0
    ordered = sorted(costs)
    return ordered[min(len(ordered) - 1, int((1 - share) * len(ordered)))]


def saved(found: Arranged, between: Choice, usd: float, worth: float) -> Arranged:
    """The candidates for a call of this price: a small one asks the paid deployment
    before those whose free requests are scarce."""
    if usd >= worth:
        return found
    later = {one.name for one in between.scarce}
    order: list[Deployment] = []
    for one in found.candidates:
        if one.name not in later:
            order.append(one)
        if one is between.paid:
            order += between.scarce
    words = Words()
    for name in found.words:
        words.put(name, partial(_word, found.words, name))
    words.put(between.paid.name, partial(_sentence, usd, worth))
    return Arranged(candidates=tuple(order), words=words)


def _word(words: Mapping[str, str], name: str) -> str:
    return words[name]


def _sentence(usd: float, worth: float) -> str:
    return (
        f"free requests are saved for large calls; ${usd:.6f} expected, "
        f"and one is worth ${worth:.6f}"
    )


def expected_calls(
    count: Callable[[float, float], int], now: float, until: float
) -> float:
    """How many calls are expected from `now` to `until`; `count` says how many there
    were from one moment to another.

    As many as in the same stretch of an earlier day, by the mean of those of the last
    seven days that had calls within twelve hours of this time of day. Without such a
    day, as many as in the stretch of that length before now: work is taken to go on for
    as long as it has gone on.
    """
    days, rest = divmod(until - now, DAY)
    starts = [now - back * DAY for back in range(1, KNOWN_DAYS + 1)]
    whole = {at: count(at - DAY / 2, at + DAY / 2) for at in starts}
    busy = [at for at in starts if whole[at]]
    if not busy:
        return count(now - min(DAY, until - now), now) * max(1.0, days)
    return sum(days * whole[at] + count(at, at + rest) for at in busy) / len(busy)
