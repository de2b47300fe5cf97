"""The counts in Redis: shared by the processes of many machines.

Each step is one Lua script, and one round trip: Redis runs it alone and whole, with
its own time. What is decided there is what `memory` decides, function by function.

Supported is one Redis (6.2 or later) or Valkey, or a replicated one reached at its
primary. All keys carry one hash tag, so they lie in one slot and a cluster's node that
holds it can be used; redirects to another node are not followed, and Sentinel is not
asked. Replication is asynchronous: a failover can lose the last steps. The server's
`maxmemory-policy` must be `noeviction`, as for every count that must not vanish.

Amounts are exact up to 2**53 base units (nine million dollars in nano-dollars), times
are kept to the last bit. Every key expires a while after what it holds.
"""

import hashlib
import os
import struct
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from redis import ConnectionPool, exceptions
from redis.backoff import NoBackoff
from redis.connection import ConnectionInterface
from redis.retry import Retry

from crew.clock import Clock, SystemClock
from crew.errors import StoreUnavailable
from crew.quota.limits import (
    DECREASE,
    HOLD_SECONDS,
    LEAST_THROTTLE,
    NANO,
    RECOVERY_SECONDS,
    RUN_SECONDS,
    SLOTS,
    THROTTLED_SECONDS,
    Kind,
    Limit,
    Metric,
    Pool,
    Refusal,
    Throttle,
    Usage,
    effective,
    level,
    window_end,
)
from crew.quota.memory import refused
from crew.quota.store import (
    LEARNED_SECONDS,
    Charge,
    LimitState,
    Observation,
    PlanState,
    PoolState,
    Reservation,
)

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 3.0
"""How long one command may take before it is tried again."""
TRIES = 3
PAUSE_SECONDS = 0.1
"""The first pause between two tries, at most; the next is twice as long."""
REFRESH_SECONDS = 30.0
"""How long one measurement of Redis' time is used."""
FORM = "redis://[:PASSWORD@]HOST[:PORT][/N], rediss:// for TLS, or unix://PATH"
_SCHEMES = ("redis", "rediss", "unix")
_REDIS_TELLS = -1.0
_STALE_TRIES = 3
_KNOWN_POOLS = 1_000

_KINDS = {kind: number for number, kind in enumerate(Kind, 1)}
_METRICS = {
    Metric.REQUESTS: 1,
    Metric.TOKENS: 2,
    Metric.INPUT_TOKENS: 3,
    Metric.OUTPUT_TOKENS: 4,
    Metric.USD: 5,
    Metric.CONCURRENT: 6,
}
_CONSTANTS = {
    **{kind.name: number for kind, number in _KINDS.items()},
    **{metric.name: number for metric, number in _METRICS.items()},
    "SLOTS": SLOTS,
    "RUN_SECONDS": RUN_SECONDS,
    "LEARNED_SECONDS": LEARNED_SECONDS,
    "THROTTLED_SECONDS": THROTTLED_SECONDS,
    "DECREASE": DECREASE,
    "LEAST_THROTTLE": LEAST_THROTTLE,
    "RECOVERY_SECONDS": RECOVERY_SECONDS,
    "HOLD_SECONDS": HOLD_SECONDS,
}

_ONE = struct.Struct("<d").pack
_TWO = struct.Struct("<dd").pack
_THREE = struct.Struct("<ddd").pack
_FOUR = struct.Struct("<dddd").pack
_FIVE = struct.Struct("<ddddd").pack
_SEVEN = struct.Struct("<ddddddd").pack
_NO_ENDS = _THREE(0.0, 0.0, 0.0)


def _word(value: bytes) -> bytes:
    """One word of a command, as it goes over the wire."""
    return b"$%d\r\n%b\r\n" % (len(value), value)


class _Script(NamedTuple):
    """A step in Lua: its text, and the hash by which Redis remembers it."""

    text: bytes
    sha: bytes


_PARTS = {
    "reserve": ("books", "places", "reserve"),
    "settle": ("books", "conditions", "settle"),
    "snapshot": ("books", "conditions", "places", "snapshot"),
    "line": ("books", "places", "line"),
    "condition": ("books", "conditions", "condition"),
    "plan": ("books", "plan"),
}


@cache
def _script(name: str) -> _Script:
    folder = Path(__file__).with_name("lua")
    constants = "".join(f"local {key} = {n!r}\n" for key, n in _CONSTANTS.items())
    parts = [(folder / f"{part}.lua").read_text("utf-8") for part in _PARTS[name]]
    text = (constants + "".join(parts)).encode()
    digest = hashlib.sha1(text, usedforsecurity=False).hexdigest()
    return _Script(_word(text), _word(digest.encode()))


class _Wire:
    """Connections to one Redis: one for each thread that talks at the same time.

    A command that broke off is sent again, so each one must bear being done twice.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self.address, self._pool = _pool(url)
        self._clock = clock
        self._idle: list[ConnectionInterface] = []
        self._owner = os.getpid()

    def run(self, name: str, keys: Sequence[bytes], args: Sequence[bytes]) -> Any:
        """Run a script. Keys and args are words."""
        script = _script(name)
        rest = [_word(b"%d" % len(keys)), *keys, *args]
        size = b"*%d\r\n" % (len(rest) + 2)
        short = b"".join([size, b"$7\r\nEVALSHA\r\n", script.sha, *rest])
        try:
            return self.send(short)
        except exceptions.NoScriptError:
            whole = b"".join([size, b"$4\r\nEVAL\r\n", script.text, *rest])
            return self.send(whole)

    def send(self, command: bytes) -> Any:
        """The answer to a command. Raises StoreUnavailable, NoScriptError."""
        tries = 0
        while True:
            tries += 1
            try:
                return self._send_once(command)
            except (exceptions.AuthenticationError, exceptions.AuthorizationError):
                raise StoreUnavailable(
                    f"{self.address}: it refused the user or the password of CREW_STORE"
                ) from None
            except exceptions.NoScriptError:
                raise
            except (exceptions.ConnectionError, exceptions.TimeoutError) as exc:
                self.close()
                if tries == TRIES:
                    raise StoreUnavailable(
                        f"{self.address}: no answer after {TRIES} tries ({exc}); "
                        "start Redis, or correct CREW_STORE"
                    ) from exc
                self._pause(tries)
            except exceptions.RedisError as exc:
                raise StoreUnavailable(f"{self.address}: {exc}") from exc

    def _send_once(self, command: bytes) -> Any:
        if self._owner != os.getpid():  # a fork must not write into its parent's talk
            self._idle, self._owner = [], os.getpid()
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._pool.make_connection()
        connection.send_packed_command([command])  # type: ignore[no-untyped-call]
        try:
            return connection.read_response()  # type: ignore[no-untyped-call]
        finally:
            self._idle.append(connection)

    def _pause(self, tries: int) -> None:
        share = 0.5 + uuid.uuid4().int % 1000 / 2000
        self._clock.sleep(PAUSE_SECONDS * 2 ** (tries - 1) * share)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().disconnect()  # type: ignore[no-untyped-call]


def _pool(url: str) -> tuple[str, ConnectionPool]:
    """The address without its password, and what makes connections to it.

    The library's own words about a wrong URL may quote the password, so they are
    not passed on.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
        number = parts.path.strip("/")
        right = bool(parts.path) if parts.scheme == "unix" else bool(parts.hostname)
        if not right or parts.scheme not in _SCHEMES or parts.fragment:
            raise ValueError
        if parts.scheme != "unix":
            int(number or "0")
        pool = ConnectionPool.from_url(
            url,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        pool.make_connection()
    except (ValueError, TypeError, exceptions.RedisError):
        raise StoreUnavailable(f"CREW_STORE is not of the form {FORM}") from None
    if parts.scheme == "unix":
        return f"unix://{parts.path}", pool
    return f"{parts.scheme}://{parts.hostname}:{port}/{number or 0}", pool


def _split(url: str) -> tuple[str, str]:
    """The URL as the library knows it, and our own part of it: the keys' prefix."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise StoreUnavailable(f"CREW_STORE is not of the form {FORM}") from None
    options = parse_qsl(parts.query, keep_blank_values=True)
    prefix = dict(options).get("prefix", "crew")
    if not prefix or set(prefix) & set("{}"):
        raise StoreUnavailable("CREW_STORE: a prefix holds no braces")
    rest = urlencode([option for option in options if option[0] != "prefix"])
    return f"{url.partition('?')[0]}?{rest}".removesuffix("?"), prefix


class _Ends(NamedTuple):
    """Two calendar windows that follow each other, packed; Redis picks the one."""

    start: float
    late: float
    packed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What of one limit is always sent the same way. `label` names it in a lease."""

    limit: Limit
    pool: str
    metric: int
    calendar: bool
    packed: bytes
    key: bytes
    label: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A pool as it is sent."""

    limits: tuple[Limit, ...]
    key: bytes
    size: bytes
    parts: tuple[_Part, ...]
    limit_keys: tuple[bytes, ...]


class RedisStore:
    """A store for the processes of many machines.

    Redis tells the time, whatever this machine's clock says; only a clock that is not
    the machine's own (a test's, a rehearsal's) is believed instead, and then by every
    script too. `?prefix=NAME` in the URL keeps several stores apart in one Redis.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        plain, prefix = _split(url)
        self._clock = clock
        self._redis_tells = isinstance(clock, SystemClock)
        self._wire = _Wire(plain, clock)
        self._tag = f"{{{prefix}}}:"
        self._leases, self._line, self._plans = (
            self._key(name) for name in ("leases", "line", "plans")
        )
        self._pools: dict[str, _Known] = {}
        self._ends: dict[tuple[str, str | None], _Ends] = {}
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
        known = [self._known(pool) for pool in pools]
        lease = os.urandom(16).hex()
        parts = [part for pool in known for part in pool.parts]
        held = [(part.label, amounts[part.metric]) for part in parts]
        keys = [self._leases, self._line, *_keys(known)]
        words = [_word(_lease(lease, held))]

        def numbers() -> bytes:
            now = self.now()
            packed = [_FOUR(self._told(), lease_seconds, ticket or 0, len(known))]
            for pool in known:
                packed.append(pool.size)
                for part in pool.parts:
                    packed.append(part.packed)
                    if part.calendar:
                        packed.append(self._ends_around(part.limit, now))
                    packed.append(_ONE(amounts[part.metric]))
            return b"".join(packed)

        match self._step("reserve", keys, numbers, words):
            case bytes() as packed:
                expires, *ends = struct.unpack(f"<{len(parts) + 1}d", packed)
            case [number, *answer]:
                return _refusal(pools[number - 1], answer, estimate)
        charges = tuple(
            Charge(
                pool=part.pool,
                limit=part.limit,
                amount=amounts[part.metric],
                expires_at=at,
            )
            for part, at in zip(parts, ends, strict=True)
        )
        return Reservation(
            id=lease, estimate=estimate, expires_at=expires, charges=charges
        )

    def settle(
        self,
        reservation: Reservation,
        actual: Usage,
        observations: Sequence[Observation] = (),
    ) -> bool:
        spent = _amounts(actual)
        charged = [(c, self._part(c.pool, c.limit)) for c in reservation.charges]
        seen = [(o, self._part(o.pool, o.limit)) for o in observations]
        held = [(part.label, charge.amount) for charge, part in charged]
        words = [_word(_lease(reservation.id, held))]
        keys = [self._leases]
        for charge, part in charged:
            keys += (self._pool_key(charge.pool), part.key)
        for told, part in seen:
            keys += (self._pool_key(told.pool), part.key)

        def numbers() -> bytes:
            now = self.now()
            packed = [_THREE(self._told(), len(charged), len(seen))]
            for charge, part in charged:
                packed.append(self._limit(part, now))
                used = spent[part.metric]
                packed.append(_THREE(charge.amount, charge.expires_at, used))
            for told, part in seen:
                packed.append(self._limit(part, now))
                known = (told.amount, told.used, told.resets_at)
                packed.append(_THREE(*(-1 if n is None else n for n in known)))
            return b"".join(packed)

        return bool(self._step("settle", keys, numbers, words))

    def line_up(
        self, pool: str, estimate: Usage, *, seconds: float, ticket: int | None = None
    ) -> int:
        usd = ceil((estimate.usd or 0) * NANO)
        sent, answered = estimate.input_tokens, estimate.output_tokens
        numbers = _SEVEN(
            self._told(), ticket or 0, seconds, estimate.requests, sent, answered, usd
        )
        nonce = uuid.uuid4().hex
        keys = [self._line, self._pool_key(pool)]
        return int(self._wire.run("line", keys, _words([numbers, nonce.encode()])))

    def leave(self, ticket: int) -> None:
        numbers = _SEVEN(self._told(), ticket, 0, 0, 0, 0, 0)
        self._wire.run("line", [self._line], _words([numbers]))

    def cool_down(self, pool: str, *, until: float, reason: str) -> None:
        args = [_TWO(self._told(), until), reason.encode()]
        self._wire.run("condition", [self._pool_key(pool)], _words(args))

    def throttle(self, pool: str) -> float:
        args = [_TWO(self._told(), 0)]
        return float(self._wire.run("condition", [self._pool_key(pool)], _words(args)))

    def set_plan(self, provider: str, plan: str, reason: str) -> None:
        args = [_ONE(self._told()), provider.encode(), plan.encode(), reason.encode()]
        self._wire.run("plan", [self._plans], _words(args))

    def plans(self) -> dict[str, PlanState]:
        found = self._wire.send(b"*2\r\n$7\r\nHGETALL\r\n" + self._plans)
        plans = {}
        for provider, noted in zip(found[::2], found[1::2], strict=True):
            at, plan, reason = noted.decode().split("\0")
            plans[provider.decode()] = PlanState(plan=plan, reason=reason, at=float(at))
        return plans

    def snapshot(self, pools: Sequence[Pool]) -> list[PoolState]:
        known = [self._known(pool) for pool in pools]
        numbers = [_TWO(self._told(), len(known))]
        for pool in known:
            numbers.append(pool.size)
            numbers += [_ONE(p.limit.kind is Kind.REFILLING) for p in pool.parts]
        keys = [self._leases, self._line, *_keys(known)]
        words = _words([b"".join(numbers)])
        now, leases, found = self._wire.run("snapshot", keys, words)
        flying = _flying(leases)
        return [
            _state(pool, state, flying, float(now))
            for pool, state in zip(pools, found, strict=True)
        ]

    def close(self) -> None:
        self._wire.close()

    # Time.

    def _told(self) -> float:
        """The time as a script is told it."""
        return _REDIS_TELLS if self._redis_tells else self._clock.now()

    def _measure(self) -> None:
        before = self._clock.monotonic()
        seconds, micros = self._wire.send(b"*1\r\n$4\r\nTIME\r\n")
        after = self._clock.monotonic()
        self._offset = int(seconds) + int(micros) / 1e6 - (before + after) / 2
        self._measured_at = after

    def _ends_around(self, limit: Limit, now: float) -> bytes:
        """When the calendar windows around `now` end: one that holds the moments
        just before, and the next."""
        at = now + limit.margin
        ends = self._ends.get((limit.unit, limit.timezone))
        if ends is None or not ends.start <= at < ends.late:
            start = at - min(60.0, limit.seconds / 2)
            first = window_end(limit, start)
            second = window_end(limit, first)
            late = second - min(60.0, limit.seconds / 4)
            ends = _Ends(start, late, _THREE(start, first, second))
            self._ends[(limit.unit, limit.timezone)] = ends
        return ends.packed

    def _step(
        self,
        name: str,
        keys: Sequence[bytes],
        numbers: Callable[[], bytes],
        words: Sequence[bytes],
    ) -> Any:
        """Run a script that picks calendar windows. It changes nothing when its time
        is not in those that were sent: then they are sent again, by its time."""
        for _ in range(_STALE_TRIES):
            answer = self._wire.run(name, keys, [_word(numbers()), *words])
            if not (isinstance(answer, list) and answer[0] == b"stale"):
                return answer
            self._ends.clear()
            if self._redis_tells:
                self._measure()
        raise StoreUnavailable(
            f"{self._wire.address}: its clock jumps; see that it keeps time"
        )

    # Names.

    def _key(self, name: str) -> bytes:
        return _word((self._tag + name).encode())

    def _pool_key(self, pool: str) -> bytes:
        known = self._pools.get(pool)
        return self._key(f"pool:{pool}") if known is None else known.key

    def _known(self, pool: Pool) -> _Known:
        known = self._pools.get(pool.name)
        if known is None or known.limits != pool.limits:
            if len(self._pools) >= _KNOWN_POOLS:
                self._pools.clear()
            parts = tuple(self._new_part(pool.name, limit) for limit in pool.limits)
            known = _Known(
                limits=pool.limits,
                key=self._key(f"pool:{pool.name}"),
                size=_ONE(len(parts)),
                parts=parts,
                limit_keys=tuple(part.key for part in parts),
            )
            self._pools[pool.name] = known
        return known

    def _part(self, pool: str, limit: Limit) -> _Part:
        known = self._pools.get(pool)
        for part in known.parts if known is not None else ():
            if part.limit is limit:
                return part
        return self._new_part(pool, limit)

    def _new_part(self, pool: str, limit: Limit) -> _Part:
        calendar = limit.kind is Kind.CALENDAR
        kind, metric = _KINDS[limit.kind], _METRICS[limit.metric]
        packed = _FIVE(kind, metric, limit.amount, limit.seconds, limit.margin)
        return _Part(
            limit=limit,
            pool=pool,
            metric=metric,
            calendar=calendar,
            packed=packed if calendar else packed + _NO_ENDS,
            key=self._key(f"limit:{pool}|{limit}"),
            label=f"\0{pool}\0{limit}\0".encode(),
        )

    def _limit(self, part: _Part, now: float) -> bytes:
        if part.calendar:
            return part.packed + self._ends_around(part.limit, now)
        return part.packed


def _words(values: Iterable[bytes]) -> list[bytes]:
    return [_word(value) for value in values]


def _keys(known: Sequence[_Known]) -> list[bytes]:
    pools = [pool.key for pool in known]
    for pool in known:
        pools += pool.limit_keys
    return pools


def _lease(lease: str, held: Iterable[tuple[bytes, int]]) -> bytes:
    """An open reservation as Redis keeps it: who settles it can name it again."""
    return lease.encode() + b"".join(b"%b%d" % (label, n) for label, n in held)


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


def _refusal(pool: Pool, answer: Sequence[Any], estimate: Usage) -> Refusal:
    number, opens, reason = answer
    opens_at = float(opens) if opens else None
    if number == 0:
        words = reason.decode()
        return Refusal(pool=pool.name, limit=None, reason=words, opens_at=opens_at)
    limit = pool.limits[number - 1]
    need = estimate.amount(limit.metric)
    charge = Charge(pool=pool.name, limit=limit, amount=need, expires_at=0.0)
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
                limit, found, flying.get((pool.name, str(limit)), 0), share_now, now
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
    counts, resets, told = found
    learned = int(told) if told else None
    used = float(counts)
    if limit.kind is Kind.REFILLING:
        used = level(effective(limit, 0, learned=learned, share=share), used, now)
    reserved = min(round(used), flying)
    return LimitState(
        limit=limit,
        used=round(used) - reserved,
        reserved=reserved,
        resets_at=float(resets) if resets else None,
        learned=learned,
    )
