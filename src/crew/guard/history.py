"""What the journal says of deployments, kept in memory: a decision reads only the rows
that are new since the one before."""

import math
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median, quantiles

from crew.clock import Clock
from crew.guard.following import Follower, Nothing, Record
from crew.journal import ServedCall, Try
from crew.ladder.measuring import at_tokens, measure
from crew.ladder.rates import Rate
from crew.routing import Times, Worth

SIZES = (2_000, 10_000, 40_000)
"""Input tokens up to which calls are of one size."""
FEWEST = 3
"""Calls of one size that a median is taken from, at least."""
KEPT = 50
"""The latest calls of one size that count."""
FRESH_SECONDS = 3_600.0
"""A call that ended longer ago says nothing: the deployment is measured anew."""
FAILED_SECONDS = 30.0
"""What a call without an answer took, at least: another one has to follow."""
TRIES_KEPT = 200
"""Tries of one deployment at one kind of work: older ones weigh next to nothing."""

_Work = tuple[str, str | None, str]


@dataclass(slots=True)
class _Tries:
    """The tries of one deployment at one kind of work, and the rates they give."""

    latest: deque[Try] = field(default_factory=lambda: deque(maxlen=TRIES_KEPT))
    rates: dict[str, Rate] = field(default_factory=dict)


class History:
    """The journal's calls and tries. Without a journal, or with one that cannot be
    read, nothing is measured."""

    def __init__(self, record: Record | None, clock: Clock) -> None:
        record = record or Nothing()
        self._new_calls = Follower(record.calls_after)
        self._new_tries = Follower(record.tries_after)
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: dict[tuple[str, int], deque[ServedCall]] = {}
        self._times: dict[tuple[str, int], tuple[Times | None, float]] = {}
        self._tries: dict[_Work, _Tries] = {}

    def times(self, names: Iterable[str], tokens: int) -> Mapping[str, Times]:
        """How long calls of this size took at the deployments; without those that
        nobody measured."""
        with self._lock:
            self._read_calls()
            now, size = self._clock.now(), _size(tokens)
            known = {name: self._times_of((name, size), now) for name in names}
            return {name: one for name, one in known.items() if one is not None}

    def _times_of(self, key: tuple[str, int], now: float) -> Times | None:
        """Taken anew only after a new call, or when one of the old is too old."""
        found, until = self._times.get(key, (None, now))
        if now >= until:
            since = now - FRESH_SECONDS
            fresh = [one for one in self._calls.get(key, ()) if one.at >= since]
            until = min((one.at for one in fresh), default=math.inf) + FRESH_SECONDS
            found = _times(fresh)
            self._times[key] = found, until
        return found

    def worth(
        self,
        names: Iterable[str],
        *,
        premium: str | None,
        work: tuple[str | None, str],
        trust: str,
        hour_is_worth: float,
    ) -> Mapping[str, Worth]:
        """What an attempt by each deployment is worth at this kind and complexity of
        work, p x P - c; without those that are not measured. A gate that looks at the
        shape alone measures nothing."""
        if trust in ("", "shape") or premium is None:
            return {}
        with self._lock:
            self._read_tries()
            rest = self._price(self._rate(premium, work, trust), hour_is_worth)
            if rest is None:
                rest = self._at_tokens(work)
            found = {}
            for name in names:
                rate = self._rate(name, work, trust)
                price = self._price(rate, hour_is_worth)
                if rest and price is not None and rate.is_measured:
                    p = float(rate.passes or 0)
                    usd = p * rest - price
                    found[name] = Worth(usd=usd, p=p, price=price, rest=rest)
            return found

    def _rate(self, name: str, work: tuple[str | None, str], trust: str) -> Rate:
        tries = self._tries.get((name, *work))
        if tries is None:
            return Rate()
        if trust not in tries.rates:
            tries.rates[trust] = measure(tries.latest, trust, self._clock.now())
        return tries.rates[trust]

    def _price(self, rate: Rate, hour_is_worth: float) -> float | None:
        if rate.usd is None:
            return None
        return float(rate.usd) + float(rate.seconds or 0) / 3600 * hour_is_worth

    def _at_tokens(self, work: tuple[str | None, str]) -> float | None:
        """What the premium would cost for the tokens of others' attempts."""
        here = [
            one
            for key, tries in self._tries.items()
            if key[1:] == work
            for one in tries.latest
        ]
        usd: Decimal | None = at_tokens(here, self._clock.now()).usd
        return None if usd is None else float(usd)

    def _read_calls(self) -> None:
        for one in self._new_calls.fresh():
            key = (one.deployment, _size(one.input_tokens))
            self._calls.setdefault(key, deque(maxlen=KEPT)).append(one)
            self._times.pop(key, None)

    def _read_tries(self) -> None:
        for one in self._new_tries.fresh():
            key = (one.deployment, one.kind, one.complexity)
            known = self._tries.setdefault(key, _Tries())
            known.latest.append(one)
            known.rates.clear()


def _times(calls: Sequence[ServedCall]) -> Times | None:
    """None for too few calls."""
    if len(calls) < FEWEST:
        return None
    seconds = [_waited(one) for one in calls]
    low, _, high = quantiles(seconds, n=4, method="inclusive")
    spread = (high - low) / 2
    return Times(calls=len(calls), median=median(seconds), spread=spread)


def _size(tokens: int) -> int:
    return sum(tokens > most for most in SIZES)


def _waited(call: ServedCall) -> float:
    return max(call.seconds, FAILED_SECONDS) if call.failed else call.seconds
