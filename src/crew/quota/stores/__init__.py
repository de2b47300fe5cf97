"""The stores: who shares the counts, and for how long."""

from pathlib import Path

from crew.clock import Clock
from crew.errors import StoreUnavailable
from crew.notices import Listener
from crew.quota.store import Store
from crew.quota.stores.memory import MemoryStore
from crew.quota.stores.sqlite import SQLiteStore


def open_store(url: str, clock: Clock, listener: Listener = lambda line: None) -> Store:
    """The store behind `sqlite:///PATH`, `redis://HOST:PORT/N` or `memory:`.

    The listener hears of a damaged file that was mended. Raises StoreUnavailable when
    the store cannot be opened.
    """
    if url == "memory:":
        return MemoryStore(clock)
    if url.startswith("sqlite:///"):
        return SQLiteStore(
            Path(url.removeprefix("sqlite:///")), clock, listener=listener
        )
    scheme = url.partition(":")[0]
    if scheme in ("redis", "rediss", "unix"):
        try:
            from crew.quota.stores.redis import RedisStore
        except ModuleNotFoundError as exc:
            raise StoreUnavailable(
                "CREW_STORE names a Redis, and its client is not installed: "
                "pip install 'crew[redis]'"
            ) from exc
        return RedisStore(url, clock)
    raise StoreUnavailable(
        f"CREW_STORE: {scheme!r} is not supported; use sqlite:///PATH, "
        "redis://HOST:PORT/N or memory:"
    )
