"""What a failure closes, for whom, and for how long."""

import socket
from urllib.parse import urlsplit

from crew.errors import (
    BadKey,
    BadRequest,
    ContextTooLong,
    CutOff,
    ModelGone,
    OutOfMoney,
    ProviderError,
    RateLimited,
    Unsupported,
)
from crew.guard.learning import matched, throttled
from crew.guard.pools import Pools
from crew.notices import Listener
from crew.quota.store import Store
from crew.routing import Request
from crew.settings import Deployment

# How long, in seconds, others keep away from a deployment after a failure that names
# no time of its own. Short: a wrong guess costs one call.
RATE_COOLDOWN = 20.0
MONEY_COOLDOWN = 600.0
SHORTEST_COOLDOWN = 0.5
FAILURE_COOLDOWN = 15.0


class Health:
    """The deployments that this process keeps away from. Cooldowns and throttles are
    in the store, for everybody."""

    def __init__(self, store: Store, pools: Pools, listener: Listener) -> None:
        self._store = store
        self._pools = pools
        self._listener = listener
        self._disabled: dict[str, str] = {}
        self._unable: dict[str, dict[frozenset[str], str]] = {}
        self._windows: dict[str, int] = {}

    def disabled(self, deployment: Deployment, request: Request) -> str | None:
        """Why this run no longer asks a deployment for such a call, or None."""
        for pool in _names(deployment):
            if pool in self._disabled:
                return self._disabled[pool]
        for needs, why in self._unable.get(deployment.name, {}).items():
            if needs <= request.needs:
                return why
        return None

    def window(self, deployment: Deployment) -> int:
        """How many tokens fit there: as the YAML says, or as it turned out to be."""
        known = deployment.context_window
        return min(known, self._windows.get(deployment.name, known))

    def note_failure(
        self, deployment: Deployment, error: ProviderError, request: Request
    ) -> float | None:
        """Keep everybody away from what failed, for as long as it makes sense.

        Returns when it opens again, in seconds since the epoch; None: not by itself.
        """
        own, provider = _names(deployment)
        match error:
            case ContextTooLong():
                self._learn_window(deployment, error, request)
            case Unsupported():
                self._refuse_such(deployment, error, request)
            case BadRequest() | CutOff() | RateLimited(never=True):
                return None
            case ModelGone():
                why = str(error).partition(": ")[2]
                if error.status == 404:
                    why = "unknown or retired (404)"
                self._disable(own, f"{deployment.model} is {why}")
            case BadKey():
                variable = deployment.provider.api_key_variable or "its key"
                self._disable(
                    provider, f"{variable} was refused ({error.status}); check it"
                )
            case OutOfMoney() if deployment.provider.classes and not deployment.klass:
                # Its free models go on without money.
                return self._cool(own, MONEY_COOLDOWN, error)
            case OutOfMoney():
                return self._cool(provider, MONEY_COOLDOWN, error)
            case RateLimited():
                return self._refused(deployment, error)
            case _:
                return self._cool(own, FAILURE_COOLDOWN, error)
        return None

    def _refuse_such(
        self, deployment: Deployment, error: ProviderError, request: Request
    ) -> None:
        unable = self._unable.setdefault(deployment.name, {})
        unable[request.needs] = failure_name(error)
        needs = " and ".join(sorted(request.needs))
        calls = f"calls with {needs}" if needs else "all calls"
        self._listener(
            f"{deployment.name} is out for {calls} of this run: it cannot take the "
            f"conversation ({error.status})"
        )

    def _learn_window(
        self, deployment: Deployment, error: ContextTooLong, request: Request
    ) -> None:
        size = request.input_tokens + request.output_tokens
        # The provider may count more tokens than we do.
        reported = min(error.window or size, size)
        self._windows[deployment.name] = min(reported, self.window(deployment)) - 1

    def _refused(self, deployment: Deployment, error: RateLimited) -> float:
        """A 429 although the counts had room. What the provider reports corrects them;
        without a report the pool goes slower for a while."""
        pools = self._pools.own_pools(deployment)
        matches = [match for one in error.reported if (match := matched(pools, one))]
        closed = matches[0][0].name if matches else pools[0].name
        reported_empty = any(one.remaining == 0 for one in error.reported)
        narrow = throttled(pools)
        if narrow is not None and not (matches and reported_empty):
            share = self._store.throttle(narrow.name)
            self._listener(
                f"{narrow.name.partition(':')[2]} refused a call that should have had "
                f"room; it goes at {share:.0%} of its limits for a while"
            )
        windows = [limit.seconds for pool in pools for limit in pool.limits]
        shortest = min((seconds for seconds in windows if seconds), default=60.0)
        return self._cool(closed, min(RATE_COOLDOWN, 2 * shortest), error)

    def _disable(self, pool: str, reason: str) -> None:
        if pool not in self._disabled:
            self._disabled[pool] = reason
            self._listener(f"{pool.partition(':')[2]} is out for this run: {reason}")

    def _cool(self, pool: str, default: float, error: ProviderError) -> float:
        seconds = default if error.retry_after is None else error.retry_after
        until = self._store.now() + max(SHORTEST_COOLDOWN, seconds)
        self._store.cool_down(pool, until=until, reason=failure_name(error))
        return until


def answers(base_url: str | None) -> bool:
    """Whether something listens at a local provider's address."""
    parts = urlsplit(base_url or "")
    if parts.hostname is None:
        return False
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname, port), timeout=0.3):
            return True
    except OSError:
        return False


def failure_name(error: ProviderError) -> str:
    """A failure in few words."""
    status = f" ({error.status})" if error.status is not None else ""
    return f"{type(error).__name__}{status}"


def _names(deployment: Deployment) -> tuple[str, str]:
    return f"deployment:{deployment.name}", f"provider:{deployment.provider.name}"
