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
import re
import struct
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil, inf
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from redis import ConnectionPool, exceptions
from redis.backoff import NoBackoff
from redis.connection import ConnectionInterface
from redis.retry import Retry

from crew.clock import Clock, SystemClock
from crew.errors import StoreUnavailable
from crew.quota.admission import (
    DECREASE,
    HOLD_SECONDS,
    LEAST_THROTTLE,
    RECOVERY_SECONDS,
    THROTTLED_SECONDS,
    Throttle,
    effective,
    level,
)
from crew.quota.limits import (
    NANO,
    RUN_SECONDS,
    SLOTS,
    Limit,
    Metric,
    Pool,
    Refusal,
    Usage,
    WindowKind,
    window_end,
)
from crew.quota.store import (
    LEARNED_SECONDS,
    Charge,
    LimitState,
    Observation,
    PlanState,
    PoolState,
    Reservation,
    left_at,
    refused,
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
_KNOWN_DRAWN = 1_000

_KINDS = {kind: number for number, kind in enumerate(WindowKind, 1)}
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


def _word(value: bytes) -> bytes:
    """One word of a command, as it goes over the wire."""
    return b"$%d\r\n%b\r\n" % (len(value), value)


class _Script(NamedTuple):
    """A step in Lua, as it is named by the hash that Redis remembers, and in full."""

    by_hash: bytes
    by_text: bytes


_CONSTANT_LINE = re.compile(r"^local ([A-Z_, ]+) = ([\d.e, ]+)$", re.MULTILINE)
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
    text = _folded(constants + "".join(parts)).encode()
    digest = hashlib.sha1(text, usedforsecurity=False).hexdigest()
    return _Script(
        b"$7\r\nEVALSHA\r\n" + _word(digest.encode()),
        b"$4\r\nEVAL\r\n" + _word(text),
    )


def _folded(text: str) -> str:
    """A script with its constants in their places.

    To Lua they are variables: it captures each one anew, and sweeps it up, whenever a
    script runs. That took a fifth of a step's time.
    """
    values: dict[str, str] = {}
    for names, numbers in _CONSTANT_LINE.findall(text):
        values |= zip(names.split(", "), numbers.split(", "), strict=True)
    rest = _CONSTANT_LINE.sub("", text)
    return re.sub(r"\b[A-Z_]+\b", lambda word: values.get(word[0], word[0]), rest)


def _opening(name: str, keys: Sequence[bytes], args: int) -> bytes:
    """How a command that runs a script begins, up to its args. Keys are words."""
    size, count = len(keys) + args + 3, _word(b"%d" % len(keys))
    return b"".join([b"*%d\r\n" % size, _script(name).by_hash, count, *keys])


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
        opening = _opening(name, keys, len(args))
        return self.run_whole(name, b"".join([opening, *args]))

    def run_whole(self, name: str, command: bytes) -> Any:
        """Run a script by a command that is written out."""
        try:
            return self.send(command)
        except exceptions.NoScriptError:
            script = _script(name)
            return self.send(command.replace(script.by_hash, script.by_text, 1))

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


class _Windows(NamedTuple):
    """Two calendar windows that follow each other: the first's start and both ends;
    and between which moments they may be sent."""

    since: float
    until: float
    ends: tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One limit of those that a step draws on."""

    pool: str
    limit: Limit
    metric: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """The limits that a step draws on, as they are sent until a calendar window ends.

    `limits` are by pool. `opening` is the command up to its numbers, `held` what Redis
    keeps of a reservation's charges, without the amounts.
    """

    limits: Sequence[Sequence[Limit]]
    parts: Sequence[_Part]
    pools: Sequence[str]
    since: float
    until: float
    opening: bytes
    held: bytes


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
        self._drawn: dict[tuple[str, tuple[str, ...]], _Drawn] = {}
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

        def words(drawn: _Drawn) -> bytes:
            needs = [amounts[part.metric] for part in drawn.parts]
            numbers = (self._told(), lease_seconds, ticket or 0, len(drawn.pools))
            held = drawn.held % tuple(needs)
            return _packed(*numbers, *needs) + _word(lease.encode()) + _word(held)

        names, limits = [pool.name for pool in pools], [pool.limits for pool in pools]
        drawn, answer = self._step("reserve", names, limits, words)
        if not isinstance(answer, bytes):
            return _refusal(drawn, answer, estimate)
        expires, *ends = struct.unpack(f"<{len(answer) // 8}d", answer)
        charges = [
            Charge(
                pool=part.pool,
                limit=part.limit,
                amount=amounts[part.metric],
                expires_at=end,
            )
            for part, end in zip(drawn.parts, ends, strict=True)
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

        def words(drawn: _Drawn) -> bytes:
            numbers = [self._told(), reservation.expires_at]
            numbers += (len(drawn.pools), len(charges))
            for charge, part in zip(charges, drawn.parts, strict=False):
                numbers += (charge.amount, charge.expires_at, spent[part.metric])
                numbers.append(_moved(charge, sent_at))
            for seen in observations:
                known = (seen.amount, seen.used, seen.resets_at)
                numbers += [-1 if n is None else n for n in known]
            return _packed(*numbers) + _word(reservation.id.encode())

        names, limits = [each.pool for each in entries], [(e.limit,) for e in entries]
        _, settled = self._step("settle", names, limits, words)
        return bool(settled)

    def join_queue(
        self, pool: str, estimate: Usage, *, seconds: float, ticket: int | None = None
    ) -> int:
        usd = ceil((estimate.usd or 0) * NANO)
        sent, answered = estimate.input_tokens, estimate.output_tokens
        numbers = _numbers(
            self._told(), ticket or 0, seconds, estimate.requests, sent, answered, usd
        )
        nonce = uuid.uuid4().hex
        keys = [self._line, self._pool_key(pool)]
        return int(self._wire.run("line", keys, _words([numbers, nonce.encode()])))

    def leave_queue(self, ticket: int) -> None:
        numbers = _numbers(self._told(), ticket, 0, 0, 0, 0, 0)
        self._wire.run("line", [self._line], _words([numbers]))

    def cool_down(self, pool: str, *, until: float, reason: str) -> None:
        args = [_numbers(self._told(), until), reason.encode()]
        self._wire.run("condition", [self._pool_key(pool)], _words(args))

    def throttle(self, pool: str) -> float:
        args = [_numbers(self._told(), 0)]
        return float(self._wire.run("condition", [self._pool_key(pool)], _words(args)))

    def set_plan(self, provider: str, plan: str, reason: str) -> None:
        args = [
            _numbers(self._told()),
            provider.encode(),
            plan.encode(),
            reason.encode(),
        ]
        self._wire.run("plan", [self._plans], _words(args))

    def plans(self) -> dict[str, PlanState]:
        found = self._wire.send(b"*2\r\n$7\r\nHGETALL\r\n" + self._plans)
        plans = {}
        for provider, noted in zip(found[::2], found[1::2], strict=True):
            at, plan, reason = noted.decode().split("\0")
            plans[provider.decode()] = PlanState(plan=plan, reason=reason, at=float(at))
        return plans

    def snapshot(self, pools: Sequence[Pool]) -> list[PoolState]:
        numbers: list[float] = [self._told(), len(pools)]
        keys = [self._leases, self._line, *(self._pool_key(p.name) for p in pools)]
        for pool in pools:
            numbers.append(len(pool.limits))
            numbers += [limit.kind is WindowKind.REFILLING for limit in pool.limits]
            keys += [self._limit_key(pool.name, limit) for limit in pool.limits]
        words = _words([_numbers(*numbers)])
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

    def _step(
        self,
        name: str,
        pools: Sequence[str],
        limits: Sequence[Sequence[Limit]],
        words: Callable[[_Drawn], bytes],
    ) -> tuple[_Drawn, Any]:
        """Run a script that picks calendar windows. It changes nothing when its time
        is not in those that were sent: then they are sent again, by its time."""
        for _ in range(_STALE_TRIES):
            drawn = self._draw(name, tuple(pools), limits)
            answer = self._wire.run_whole(name, drawn.opening + words(drawn))
            if not (isinstance(answer, list) and answer[0] == b"stale"):
                return drawn, answer
            self._drawn.clear()
            if self._redis_tells:
                self._measure()
        raise StoreUnavailable(
            f"{self._wire.address}: its clock jumps; see that it keeps time"
        )

    def _draw(
        self,
        name: str,
        pools: tuple[str, ...],
        limits: Sequence[Sequence[Limit]],
    ) -> _Drawn:
        key, now = (name, pools), self.now()
        known = self._drawn.get(key)
        # The limits mostly are the same objects, and to compare those costs little.
        if known and known.since <= now < known.until and known.limits == limits:
            return known
        if len(self._drawn) >= _KNOWN_DRAWN:
            self._drawn.clear()
        drawn = self._drawn[key] = self._new_drawn(name, pools, limits, now)
        return drawn

    def _new_drawn(
        self,
        name: str,
        pools: tuple[str, ...],
        limits: Sequence[Sequence[Limit]],
        now: float,
    ) -> _Drawn:
        parts = [
            _Part(pool=pool, limit=limit, metric=_METRICS[limit.metric])
            for pool, some in zip(pools, limits, strict=True)
            for limit in some
        ]
        windows = [_windows(part.limit, now) for part in parts]
        labels = [
            f"\0{part.pool}\0{part.limit}\0".replace("%", "%%").encode()
            for part in parts
        ]
        pool_keys = {pool: self._pool_key(pool) for pool in pools}
        limit_keys = [self._limit_key(part.pool, part.limit) for part in parts]
        numbered = {key: at for at, key in enumerate(dict.fromkeys(limit_keys), 1)}
        pool_at = {pool: at for at, pool in enumerate(pool_keys, 1)}
        packed = [
            _numbers(numbered[key], pool_at[part.pool], *_shape(part.limit), *each.ends)
            for key, part, each in zip(limit_keys, parts, windows, strict=True)
        ]
        keys = [self._leases, *pool_keys.values(), *numbered]
        args = 3
        if name == "reserve":
            keys.insert(1, self._line)
            args = 4
        return _Drawn(
            limits=limits,
            parts=parts,
            pools=list(pool_keys),
            since=max((each.since for each in windows), default=-inf),
            until=min((each.until for each in windows), default=inf),
            opening=_opening(name, keys, args) + _word(b"".join(packed)),
            held=b"".join(b"%b%%d" % label for label in labels),
        )

    # Names.

    def _key(self, name: str) -> bytes:
        return _word((self._tag + name).encode())

    def _pool_key(self, pool: str) -> bytes:
        return self._key(f"pool:{pool}")

    def _limit_key(self, pool: str, limit: Limit) -> bytes:
        return self._key(f"limit:{pool}|{limit}")


def _numbers(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


def _packed(*values: float) -> bytes:
    """Numbers as a word."""
    return _word(_numbers(*values))


def _shape(limit: Limit) -> tuple[float, ...]:
    kind, metric = _KINDS[limit.kind], _METRICS[limit.metric]
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


def _words(values: Iterable[bytes]) -> list[bytes]:
    return [_word(value) for value in values]


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


def _refusal(drawn: _Drawn, answer: Sequence[Any], estimate: Usage) -> Refusal:
    pool, number, opens, reason = answer
    opens_at = float(opens) if opens else None
    if number == 0:
        name, words = drawn.pools[pool - 1], reason.decode()
        return Refusal(pool=name, limit=None, reason=words, opens_at=opens_at)
    part = drawn.parts[number - 1]
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
