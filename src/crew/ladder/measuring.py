"""From the outcomes of attempts to rates: what is new weighs more (pure).

The pass rate is an upper bound, so that a deployment of which little is known, or of
which nothing was heard for a while, is tried again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from math import sqrt

from crew.journal import Try
from crew.ladder.rates import ENOUGH, HARDER, Rate

HALF_OUTCOMES = 35
HALF_SECONDS = 30 * 86_400.0
"""After so many further outcomes, or so many seconds, an outcome weighs half."""
LEAST = 1 / 32
"""The weight below which an outcome no longer counts."""
REMEMBERED = 5 * HALF_SECONDS
"""Seconds after which every outcome weighs less than that."""
_Z = 0.8416
"""The 80 % quantile of the normal distribution."""

Weighted = list[tuple[Try, float]]


def measure(tries: Iterable[Try], trust: str, now: float) -> Rate:
    """What the tries of one deployment at one kind of work say, where the strongest
    gate has this trust. They may come in any order."""
    known = sorted(tries, key=lambda one: one.at, reverse=True)
    first = weighted([one for one in known if one.number == 1], trust, now)
    further = enough([one for one in known if one.is_further], trust, now)
    rate = replace(_priced(known, now), further=further)
    if not first:
        return rate
    return replace(
        rate,
        outcomes=len(first),
        passes=_number(upper(first)),
        share=_number(share(first)),
        source=_outcomes(first),
    )


def enough(tries: Iterable[Try], trust: str, now: float) -> Decimal | None:
    """The upper bound of the pass rate of these tries; None for too few."""
    newest = sorted(tries, key=lambda one: one.at, reverse=True)
    found = weighted(newest, trust, now)
    return _number(upper(found)) if len(found) >= ENOUGH else None


def weighted(tries: Sequence[Try], trust: str, now: float) -> Weighted:
    """Those of the tries, newest first, that say something about gates of this trust,
    with their weights."""
    judged = [one for one in tries if says(one, trust) is not None]
    return _weigh(judged, now)


def says(one: Try, trust: str) -> bool | None:
    """Whether it passed gates of this trust; None: it says nothing about them, as no
    gate of that trust had anything to look at."""
    if one.task_trust != trust:
        return None
    if not one.passed:
        return False
    return True if one.trust == trust else None


def share(outcomes: Weighted) -> float:
    """The share that passed."""
    return sum(by for one, by in outcomes if one.passed) / sum(by for _, by in outcomes)


def upper(outcomes: Weighted) -> float:
    """The upper 80 % bound of the pass rate (Wilson's, one-sided)."""
    size, rate = sum(by for _, by in outcomes), share(outcomes)
    square = _Z * _Z / size
    spread = _Z * sqrt(rate * (1 - rate) / size + square / (4 * size))
    return min(1.0, (rate + square / 2 + spread) / (1 + square))


def at_tokens(tries: Iterable[Try], now: float) -> Rate:
    """The price of the premium before it made an attempt: the tokens of others' first
    attempts at its price."""
    newest = sorted(tries, key=lambda one: one.at, reverse=True)
    first = [one for one in newest if one.number == 1 and one.premium_usd is not None]
    known = _weigh(first, now)
    if not known:
        return Rate()
    usd = sum(float(one.premium_usd or 0) * by for one, by in known)
    mean = usd / sum(by for _, by in known)
    return Rate(usd=_number(mean, 8), priced=f"the tokens of {_attempts(known)}")


def _priced(tries: Sequence[Try], now: float) -> Rate:
    """What an attempt takes. One at a task that failed before takes more than the
    average, so it counts for less."""
    known = _weigh([one for one in tries if one.usd is not None], now)
    if not known:
        return Rate()
    total = sum(by for _, by in known)
    usd = sum(float(one.usd or 0) * by / _harder(one) for one, by in known)
    seconds = sum(one.seconds * by / _harder(one) for one, by in known)
    return Rate(
        usd=_number(usd / total, 8),
        seconds=_number(seconds / total, 3),
        priced=_attempts(known),
    )


def _harder(one: Try) -> float:
    return float(HARDER) if one.is_further else 1.0


def _weigh(newest: Sequence[Try], now: float) -> Weighted:
    found = [
        (one, 0.5 ** max(rank / HALF_OUTCOMES, (now - one.at) / HALF_SECONDS))
        for rank, one in enumerate(newest)
    ]
    # A clock that was set back makes nothing weigh more than one.
    return [(one, min(1.0, by)) for one, by in found if by >= LEAST]


def _outcomes(known: Weighted) -> str:
    return f"{len(known)} outcome{'s' * (len(known) != 1)} since {_day(known)}"


def _attempts(known: Weighted) -> str:
    return f"{len(known)} attempt{'s' * (len(known) != 1)} since {_day(known)}"


def _day(known: Weighted) -> str:
    oldest = min(one.at for one, _ in known)
    return f"{datetime.fromtimestamp(oldest, UTC):%Y-%m-%d}"


def _number(value: float, digits: int = 4) -> Decimal:
    return Decimal(f"{value:.{digits}f}")
