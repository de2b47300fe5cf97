"""The counts in Redis: shared by the processes of many machines.

Each step is one Lua script, and one round trip: Redis runs it alone and whole, with
its own time. It decides what `decisions` decides, function by function.

Supported is one Redis (6.2 or later) or Valkey, or a replicated one reached at its
primary. All keys carry one hash tag, so they lie in one slot and a cluster's node that
holds it can be used; redirects to another node are not followed, and Sentinel is not
asked. Replication is asynchronous: a failover can lose the last steps. The server's
`maxmemory-policy` must be `noeviction`, as for every count that must not vanish.

Amounts are exact up to 2**53 base units (nine million dollars in nano-dollars), times
are kept to the last bit. Every key expires a while after what it holds.
"""

import os
import struct
import uuid
from collections.abc import Callable, Iterable, Sequence
from math import ceil
from typing import Any

from crew.clock import Clock, SystemClock
from crew.errors import StoreUnavailable
from crew.quota.admission import Throttle, effective, level
from crew.quota.limits import (
    NANO,
    Limit,
    Metric,
    Pool,
    Refusal,
    Usage,
    WindowKind,
)
from crew.quota.store import (
    Charge,
    LimitState,
    Observation,
    PlanState,
    PoolState,
    Reservation,
    left_at,
    refused,
)
from crew.quota.stores.redis_limits import Encoded, Encoder, pack
from crew.quota.stores.redis_wire import Wire, Word, split_prefix

REFRESH_SECONDS = 30.0
"""How long one measurement of Redis' time is used."""
_REDIS_TELLS = -1.0
_STALE_TRIES = 3


class RedisStore:
    """A store for the processes of many machines.

    Redis tells the time, whatever this machine's clock says; only a clock that is not
    the machine's own (a test's, a rehearsal's) is believed instead, and then by every
    script too. `?prefix=NAME` in the URL keeps several stores apart in one Redis.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        plain, prefix = split_prefix(url)
        self._clock = clock
        self._redis_tells = isinstance(clock, SystemClock)
        self._wire = Wire(plain)
        self._encoder = Encoder(prefix)
        self._offset, self._measured_at = 0.0, 0.0
        self._measure()

    def now(self) -> float:
        """Redis' time, by an offset to this machine's monotonic clock.

        It is wrong by at most half of the round trip in which the offset was
        measured, and by what the two clocks drift apart in the half minute until it
        is measured anew. No decision stands on it: the scripts ask Redis itself.
        """
        if not self._redis_tells:
            return self._clock.now()
        monotonic = self._clock.monotonic()
        if monotonic - self._measured_at > REFRESH_SECONDS:
            self._measure()
        return monotonic + self._offset

    def reserve(
        self,
        pools: Sequence[Pool],
        estimate: Usage,
        *,
        lease_seconds: float,
        ticket: int | None = None,
    ) -> Reservation | Refusal:
        amounts = _amounts(estimate)
        lease = os.urandom(16).hex()

        def words(encoded: Encoded) -> list[Word]:
            needs = [amounts[part.metric] for part in encoded.parts]
            numbers = (self._given(), lease_seconds, ticket or 0, len(encoded.pools))
            return [pack(*numbers, *needs), lease, encoded.held % tuple(needs)]

        names, limits = [pool.name for pool in pools], [pool.limits for pool in pools]
        encoded, answer = self._step("reserve", names, limits, words)
        if not isinstance(answer, bytes):
            return _refusal(encoded, answer, estimate)
        expires, *ends = struct.unpack(f"<{len(answer) // 8}d", answer)
        charges = [
            Charge(
                pool=part.pool,
                limit=part.limit,
                amount=amounts[part.metric],
                expires_at=end,
            )
            for part, end in zip(encoded.parts, ends, strict=True)
        ]
        return Reservation(
            id=lease,
            estimate=estimate,
            made_at=expires - lease_seconds,
            expires_at=expires,
            charges=tuple(charges),
        )

    def settle(
        self,
        reservation: Reservation,
        actual: Usage,
        observations: Sequence[Observation] = (),
        *,
        delay: float = 0.0,
    ) -> bool:
        spent, charges = _amounts(actual), reservation.charges
        entries: list[Charge | Observation] = [*charges, *observations]
        sent_at = left_at(reservation, delay)

        def words(encoded: Encoded) -> list[Word]:
            numbers = [self._given(), reservation.expires_at]
            numbers += (len(encoded.pools), len(charges))
            for charge, part in zip(charges, encoded.parts, strict=False):
                numbers += (charge.amount, charge.expires_at, spent[part.metric])
                numbers.append(_moved(charge, sent_at))
            for seen in observations:
                known = (seen.amount, seen.used, seen.resets_at)
                numbers += [-1 if n is None else n for n in known]
            return [pack(*numbers), reservation.id]

        names, limits = [each.pool for each in entries], [(e.limit,) for e in entries]
        _, settled = self._step("settle", names, limits, words)
        return bool(settled)

    def join_queue(
        self, pool: str, estimate: Usage, *, seconds: float, ticket: int | None = None
    ) -> int:
        usd = ceil((estimate.usd or 0) * NANO)
        sent, answered = estimate.input_tokens, estimate.output_tokens
        numbers = pack(
            self._given(), ticket or 0, seconds, estimate.requests, sent, answered, usd
        )
        nonce = uuid.uuid4().hex
        keys = [self._encoder.queues, self._encoder.pool_key(pool)]
        return int(self._wire.run("line", keys, numbers, nonce))

    def leave_queue(self, ticket: int) -> None:
        numbers = pack(self._given(), ticket, 0, 0, 0, 0, 0)
        self._wire.run("line", [self._encoder.queues], numbers)

    def cool_down(
        self, pool: str, *, until: float, reason: str, replace: bool = False
    ) -> None:
        numbers = pack(self._given(), until, replace)
        self._wire.run("condition", [self._encoder.pool_key(pool)], numbers, reason)

    def throttle(self, pool: str) -> float:
        numbers = pack(self._given(), 0, 0)
        return float(
            self._wire.run("condition", [self._encoder.pool_key(pool)], numbers)
        )

    def set_plan(self, provider: str, plan: str, reason: str) -> None:
        numbers = pack(self._given())
        self._wire.run("plan", [self._encoder.plans], numbers, provider, plan, reason)

    def plans(self) -> dict[str, PlanState]:
        plans = {}
        for provider, noted in self._wire.hash(self._encoder.plans).items():
            at, plan, reason = noted.decode().split("\0")
            plans[provider.decode()] = PlanState(plan=plan, reason=reason, at=float(at))
        return plans

    def snapshot(self, pools: Sequence[Pool]) -> list[PoolState]:
        numbers: list[float] = [self._given(), len(pools)]
        encoder = self._encoder
        keys = [encoder.leases, encoder.queues]
        keys += [encoder.pool_key(pool.name) for pool in pools]
        for pool in pools:
            numbers.append(len(pool.limits))
            numbers += [limit.kind is WindowKind.REFILLING for limit in pool.limits]
            keys += [encoder.limit_key(pool.name, limit) for limit in pool.limits]
        now, leases, found = self._wire.run("snapshot", keys, pack(*numbers))
        flying = _flying(leases)
        return [
            _state(pool, state, flying, float(now))
            for pool, state in zip(pools, found, strict=True)
        ]

    def close(self) -> None:
        self._wire.close()

    # Time.

    def _given(self) -> float:
        """The time that a script is given: mostly it asks Redis."""
        return _REDIS_TELLS if self._redis_tells else self._clock.now()

    def _measure(self) -> None:
        before = self._clock.monotonic()
        reported = self._wire.time()
        after = self._clock.monotonic()
        self._offset = reported - (before + after) / 2
        self._measured_at = after

    def _step(
        self,
        name: str,
        pools: Sequence[str],
        limits: Sequence[Sequence[Limit]],
        words: Callable[[Encoded], list[Word]],
    ) -> tuple[Encoded, Any]:
        """Run a script that picks calendar windows. It changes nothing when its time
        is not in those that were sent: then they are sent again, by its time."""
        for _ in range(_STALE_TRIES):
            encoded = self._encoder.encode(name, tuple(pools), limits, self.now())
            answer = self._wire.run(name, encoded.keys, encoded.packed, *words(encoded))
            if not (isinstance(answer, list) and answer[0] == b"stale"):
                return encoded, answer
            self._encoder.forget()
            if self._redis_tells:
                self._measure()
        raise StoreUnavailable(
            f"{self._wire.address}: its clock jumps; see that it keeps time"
        )


def _flying(leases: Iterable[bytes]) -> dict[tuple[str, str], int]:
    """What open reservations hold, by pool and limit."""
    flying: dict[tuple[str, str], int] = {}
    for lease in leases:
        _, *held = lease.decode().split("\0")
        for pool, spec, amount in zip(held[::3], held[1::3], held[2::3], strict=True):
            flying[pool, spec] = flying.get((pool, spec), 0) + int(amount)
    return flying


def _amounts(usage: Usage) -> Sequence[int]:
    """What a call takes of each metric, by the metrics' numbers."""
    sent, answered = usage.input_tokens, usage.output_tokens
    usd = usage.amount(Metric.USD)
    return 0, usage.requests, sent + answered, sent, answered, usd, usage.requests


def _moved(charge: Charge, sent_at: float | None) -> float:
    """When a charge ends that counts from when the request left; None: as reserved."""
    if sent_at is None or charge.limit.kind in (WindowKind.LEASE, WindowKind.REFILLING):
        return charge.expires_at
    return charge.limit.expires_at(sent_at)


def _refusal(encoded: Encoded, answer: Sequence[Any], estimate: Usage) -> Refusal:
    pool, number, opens, reason = answer
    opens_at = float(opens) if opens else None
    if number == 0:
        name, words = encoded.pools[pool - 1], reason.decode()
        return Refusal(pool=name, limit=None, reason=words, opens_at=opens_at)
    part = encoded.parts[number - 1]
    need = estimate.amount(part.limit.metric)
    charge = Charge(pool=part.pool, limit=part.limit, amount=need, expires_at=0.0)
    return refused(charge, opens_at)


def _state(
    pool: Pool,
    state: Sequence[Any],
    flying: dict[tuple[str, str], int],
    now: float,
) -> PoolState:
    until, reason, share, at, waiting, limits = state
    throttle = Throttle(share=float(share), at=float(at))
    cooling, share_now = float(until) > now, throttle.now(now)
    return PoolState(
        name=pool.name,
        limits=tuple(
            _limit_state(
                limit, found, flying.get((pool.name, limit.spec), 0), share_now, now
            )
            for limit, found in zip(pool.limits, limits, strict=True)
        ),
        cooldown_until=float(until) if cooling else None,
        cooldown_reason=reason.decode() if cooling else "",
        throttle=share_now if share_now < 1 else None,
        waiting=waiting,
    )


def _limit_state(
    limit: Limit, found: Sequence[bytes], flying: int, share: float, now: float
) -> LimitState:
    counts, resets, lower = found
    learned = int(lower) if lower else None
    used = float(counts)
    if limit.kind is WindowKind.REFILLING:
        used = level(effective(limit, 0, learned=learned, share=share), used, now)
    reserved = min(round(used), flying)
    return LimitState(
        limit=limit,
        used=round(used) - reserved,
        reserved=reserved,
        resets_at=float(resets) if resets else None,
        learned=learned,
        share=share,
    )
