"""Which deployment served a task's last call: its cache is warm for the next one."""

import threading
from collections import OrderedDict

from crew.clock import Clock
from crew.routing import Request, Warm

WARM_SECONDS = 300.0
"""How long a provider keeps a prompt in its cache after the last use."""
_MOST = 1_000
"""Conversations that are remembered."""

_Key = tuple[str | None, str, str]


class WarmCaches:
    """The last deployment of each task and role. What is no task's is no conversation
    that anybody could know again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[_Key, tuple[Warm, float]] = OrderedDict()

    def note(self, request: Request, deployment: str, tokens: int) -> None:
        """Note who serves a call of so many input tokens."""
        key = _key(request)
        if key is None:
            return
        warm = Warm(deployment=deployment, tokens=tokens)
        with self._lock:
            self._known[key] = (warm, self._clock.monotonic())
            self._known.move_to_end(key)
            if len(self._known) > _MOST:
                self._known.popitem(last=False)

    def forget(self, request: Request) -> None:
        """Note that the last call was not served."""
        key = _key(request)
        with self._lock:
            if key is not None:
                self._known.pop(key, None)

    def of(self, request: Request) -> Warm | None:
        """Who served the task's last call, and how many tokens of it."""
        key = _key(request)
        with self._lock:
            warm, at = self._known.get(key, (None, 0.0)) if key else (None, 0.0)
        if warm is None or self._clock.monotonic() - at > WARM_SECONDS:
            return None
        return warm


def _key(request: Request) -> _Key | None:
    if request.task is None:
        return None
    return request.run, request.task, request.role
