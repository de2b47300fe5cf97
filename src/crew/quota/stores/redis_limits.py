"""The limits of a step as Redis' scripts read them: keys, numbers, calendar windows."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from crew.quota.limits import Limit, WindowKind, window_end
from crew.quota.stores.redis_wire import KINDS, METRICS

_MOST_KNOWN = 1_000


class _Windows(NamedTuple):
    """Two calendar windows that follow each other: the first's start and both ends;
    and between which moments they may be sent."""

    since: float
    until: float
    ends: tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One limit of a step."""

    pool: str
    limit: Limit
    metric: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """The limits of a step, as they are sent until a calendar window ends.

    `limits` are by pool, `packed` is what the script reads of them, `held` what Redis
    keeps of a reservation's charges, without the amounts.
    """

    limits: Sequence[Sequence[Limit]]
    parts: Sequence[Part]
    pools: Sequence[str]
    since: float
    until: float
    keys: Sequence[bytes]
    packed: bytes
    held: bytes


class Encoder:
    """Encodes the limits of steps, and keeps what it encoded. `prefix` is the tag of
    all keys."""

    def __init__(self, prefix: str) -> None:
        self._tag = f"{{{prefix}}}:"
        self.leases, self.queues, self.plans = map(
            self._key, ("leases", "line", "plans")
        )
        self._known: dict[tuple[str, tuple[str, ...]], Encoded] = {}

    def forget(self) -> None:
        """Encode all anew: the time was not what it seemed."""
        self._known.clear()

    def encode(
        self,
        name: str,
        pools: tuple[str, ...],
        limits: Sequence[Sequence[Limit]],
        now: float,
    ) -> Encoded:
        """The limits of a script's step at `now`, pool by pool."""
        key = (name, pools)
        known = self._known.get(key)
        # The limits mostly are the same objects, and to compare those costs little.
        if known and known.since <= now < known.until and known.limits == limits:
            return known
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        encoded = self._known[key] = self._encoded(name, pools, limits, now)
        return encoded

    def _encoded(
        self,
        name: str,
        pools: tuple[str, ...],
        limits: Sequence[Sequence[Limit]],
        now: float,
    ) -> Encoded:
        parts = [
            Part(pool=pool, limit=limit, metric=METRICS[limit.metric])
            for pool, some in zip(pools, limits, strict=True)
            for limit in some
        ]
        windows = [_windows(part.limit, now) for part in parts]
        labels = [
            f"\0{part.pool}\0{part.limit.spec}\0".replace("%", "%%").encode()
            for part in parts
        ]
        pool_keys = {pool: self.pool_key(pool) for pool in pools}
        limit_keys = [self.limit_key(part.pool, part.limit) for part in parts]
        numbered = {key: at for at, key in enumerate(dict.fromkeys(limit_keys), 1)}
        pool_at = {pool: at for at, pool in enumerate(pool_keys, 1)}
        packed = [
            pack(numbered[key], pool_at[part.pool], *_shape(part.limit), *each.ends)
            for key, part, each in zip(limit_keys, parts, windows, strict=True)
        ]
        keys = [self.leases, *pool_keys.values(), *numbered]
        if name == "reserve":
            keys.insert(1, self.queues)
        return Encoded(
            limits=limits,
            parts=parts,
            pools=list(pool_keys),
            since=max((each.since for each in windows), default=-inf),
            until=min((each.until for each in windows), default=inf),
            keys=keys,
            packed=b"".join(packed),
            held=b"".join(b"%b%%d" % label for label in labels),
        )

    def pool_key(self, pool: str) -> bytes:
        return self._key(f"pool:{pool}")

    def limit_key(self, pool: str, limit: Limit) -> bytes:
        return self._key(f"limit:{pool}|{limit.spec}")

    def _key(self, name: str) -> bytes:
        return f"{self._tag}{name}".encode()


def pack(*values: float) -> bytes:
    """Numbers as a script unpacks them, to the last bit."""
    return struct.pack(f"<{len(values)}d", *values)


def _shape(limit: Limit) -> tuple[float, ...]:
    kind, metric = KINDS[limit.kind], METRICS[limit.metric]
    return kind, metric, limit.amount, limit.seconds, limit.margin


def _windows(limit: Limit, now: float) -> _Windows:
    """The calendar windows around `now`: one that holds the moments just before, and
    the next. Redis picks the one."""
    if limit.kind is not WindowKind.CALENDAR:
        return _Windows(-inf, inf, (0.0, 0.0, 0.0))
    start = now + limit.margin - min(60.0, limit.seconds / 2)
    first = window_end(limit, start)
    second = window_end(limit, first)
    late = second - min(60.0, limit.seconds / 4)
    return _Windows(start - limit.margin, late - limit.margin, (start, first, second))
