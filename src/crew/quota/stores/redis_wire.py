"""The wire to Redis: connections, scripts, and what becomes of an error."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

from redis import ConnectionPool, Redis, exceptions
from redis.backoff import FullJitterBackoff
from redis.commands.core import Script
from redis.retry import Retry

from crew.errors import StoreUnavailable
from crew.quota.admission import (
    DECREASE,
    HOLD_SECONDS,
    LEAST_THROTTLE,
    RECOVERY_SECONDS,
    THROTTLED_SECONDS,
)
from crew.quota.limits import RUN_SECONDS, SLOTS, Metric, WindowKind
from crew.quota.store import LEARNED_SECONDS

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 3.0
"""How long one command may take before it is tried again."""
TRIES = 3
PAUSE_SECONDS = 0.1
"""The first pause between two tries, at most; the next is twice as long."""
FORM = "redis://[:PASSWORD@]HOST[:PORT][/N], rediss:// for TLS, or unix://PATH"
_SCHEMES = ("redis", "rediss", "unix")

KINDS = {kind: number for number, kind in enumerate(WindowKind, 1)}
METRICS = {
    Metric.REQUESTS: 1,
    Metric.TOKENS: 2,
    Metric.INPUT_TOKENS: 3,
    Metric.OUTPUT_TOKENS: 4,
    Metric.USD: 5,
    Metric.CONCURRENT: 6,
}
_CONSTANTS = {
    **{kind.name: number for kind, number in KINDS.items()},
    **{metric.name: number for metric, number in METRICS.items()},
    "SLOTS": SLOTS,
    "RUN_SECONDS": RUN_SECONDS,
    "LEARNED_SECONDS": LEARNED_SECONDS,
    "THROTTLED_SECONDS": THROTTLED_SECONDS,
    "DECREASE": DECREASE,
    "LEAST_THROTTLE": LEAST_THROTTLE,
    "RECOVERY_SECONDS": RECOVERY_SECONDS,
    "HOLD_SECONDS": HOLD_SECONDS,
}
_PARTS = {
    "reserve": ("books", "places", "reserve"),
    "settle": ("books", "conditions", "settle"),
    "snapshot": ("books", "conditions", "places", "snapshot"),
    "levels": ("books", "levels"),
    "line": ("books", "places", "line"),
    "condition": ("books", "conditions", "condition"),
    "plan": ("books", "plan"),
}
"""The files of each script; the constants stand above them."""

Word = str | bytes | float


class Wire:
    """One Redis, for all threads of a process and those that it forks.

    A command that broke off is sent again, so each one must bear being done twice.
    Every method raises StoreUnavailable.
    """

    def __init__(self, url: str) -> None:
        self.address, pool = _connected(url)
        self._client = Redis(connection_pool=pool)

    @cached_property
    def _scripts(self) -> dict[str, Script]:
        return {name: self._client.register_script(_text(name)) for name in _PARTS}

    def run(self, script: str, keys: Sequence[bytes], *args: Word) -> Any:
        """Run a script of the folder `lua`."""
        try:
            return self._scripts[script](keys=keys, args=args)
        except exceptions.RedisError as exc:
            raise self._unavailable(exc) from _shown(exc)

    def hash(self, key: bytes) -> dict[bytes, bytes]:
        """All fields of a hash."""
        try:
            return cast("dict[bytes, bytes]", self._client.hgetall(key.decode()))
        except exceptions.RedisError as exc:
            raise self._unavailable(exc) from _shown(exc)

    def time(self) -> float:
        """Redis' time, in seconds since the epoch."""
        try:
            seconds, micros = cast("tuple[int, int]", self._client.time())
        except exceptions.RedisError as exc:
            raise self._unavailable(exc) from _shown(exc)
        return seconds + micros / 1e6

    def close(self) -> None:
        """Let go of the connections."""
        self._client.connection_pool.disconnect()

    def _unavailable(self, error: exceptions.RedisError) -> StoreUnavailable:
        match error:
            case exceptions.AuthenticationError() | exceptions.AuthorizationError():
                text = "it refused the user or the password of CREW_STORE"
            case exceptions.ConnectionError() | exceptions.TimeoutError():
                text = (
                    f"no answer after {TRIES} tries ({error}); "
                    "start Redis, or correct CREW_STORE"
                )
            case _:
                text = str(error)
        return StoreUnavailable(f"{self.address}: {text}")


def split_prefix(url: str) -> tuple[str, str]:
    """The URL as the library knows it, and our own part of it: the keys' prefix.
    Raises StoreUnavailable."""
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


def _shown(error: exceptions.RedisError) -> BaseException | None:
    """The cause that may be shown: an answer to a login may quote the password."""
    refused = isinstance(
        error, exceptions.AuthenticationError | exceptions.AuthorizationError
    )
    return None if refused else error


def _text(name: str) -> str:
    folder = Path(__file__).with_name("lua")
    constants = "".join(f"local {key} = {n!r}\n" for key, n in _CONSTANTS.items())
    parts = [(folder / f"{part}.lua").read_text("utf-8") for part in _PARTS[name]]
    return constants + "".join(parts)


def _connected(url: str) -> tuple[str, ConnectionPool]:
    """The address without its password, and the pool of connections to it.

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
        backoff = FullJitterBackoff(cap=1.0, base=PAUSE_SECONDS)
        pool = ConnectionPool.from_url(
            url,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(backoff, TRIES - 1),
        )
        pool.make_connection()
    except (ValueError, TypeError, exceptions.RedisError):
        raise StoreUnavailable(f"CREW_STORE is not of the form {FORM}") from None
    if parts.scheme == "unix":
        return f"unix://{parts.path}", pool
    return f"{parts.scheme}://{parts.hostname}:{port}/{number or 0}", pool
