"""What a failure closes, for whom, and for how long."""

import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from crew.errors import (
    BadKey,
    BadRequest,
    Blocked,
    ContextTooLong,
    CutOff,
    ModelGone,
    OutOfMoney,
    ProviderError,
    RateLimited,
    TimedOut,
    Unreachable,
    Unsendable,
    Unsupported,
)
from crew.guard.learning import matched, throttled
from crew.guard.pools import Pools
from crew.guard.troubles import Troubles
from crew.notices import Listener
from crew.quota.limits import SECONDS
from crew.quota.store import Store
from crew.routing import Request
from crew.settings import Deployment

# How long, in seconds, others keep away from a deployment after a failure that names
# no time of its own. Short: a wrong guess costs one call.
RATE_COOLDOWN = 20.0
MONEY_COOLDOWN = 600.0
SHORTEST_COOLDOWN = 0.5
FAILURE_COOLDOWN = 15.0
WAY_COOLDOWN = 60.0
"""For the provider that showed that a way is broken: others behind it are asked before
it, in case they are not."""
LONGEST_WAIT = 86_400.0
"""Seconds. A longer wait is believed where a limit is known that is as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Closure:
    """`until` is in seconds since the epoch; None: for this run."""

    reason: str
    until: float | None = None


class Health:
    """The deployments that this process keeps away from, and the ways that are broken
    from this machine. Cooldowns and throttles are in the store, for everybody."""

    def __init__(
        self, store: Store, pools: Pools, listener: Listener, troubles: Troubles
    ) -> None:
        self._store = store
        self._troubles = troubles
        self._pools = pools
        self._listener = listener
        self._closures: dict[str, _Closure] = {}
        self._announced: set[str] = set()
        self._unable: dict[str, dict[frozenset[str], str]] = {}
        self._windows: dict[str, int] = {}

    def disabled(self, deployment: Deployment, request: Request) -> str | None:
        """Why this run no longer asks a deployment for such a call, or None."""
        closure = self._closure(deployment)
        if closure is not None:
            return closure.reason
        for needs, why in self._unable.get(deployment.name, {}).items():
            if needs <= request.needs:
                return why
        return None

    def opens_at(self, deployment: Deployment) -> float | None:
        """When a way that is broken is tried again, in seconds since the epoch; None
        where nothing is or it is not tried again."""
        closure = self._closure(deployment)
        return closure.until if closure is not None else None

    def _closure(self, deployment: Deployment) -> _Closure | None:
        """What keeps this run away for longest."""
        if not self._closures:
            return None
        # Imported here, where something broke: an HTTP client takes time to load.
        from crew.providers.way import way_of

        found = [
            closure
            for place in (*_places(deployment), way_of(deployment))
            if (closure := self._closures.get(place)) is not None
            and (closure.until is None or self._store.now() < closure.until)
        ]
        lasting = (one for one in found if one.until is None)
        return next(lasting, None) or max(
            found, key=lambda one: one.until or 0.0, default=None
        )

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
        own, _, provider = _places(deployment)
        match error:
            case ContextTooLong():
                self._learn_window(deployment, error, request)
            case Unsupported():
                self._refuse_such(deployment, error, request)
            case BadRequest() | CutOff() | RateLimited(never=True):
                pass
            case BadKey() | Blocked() | ModelGone() | Unsendable():
                place, why = _out(deployment, error)
                is_news = self._troubles.failed(deployment, error, why)
                self._disable(place, why, quiet=is_news)
            case Unreachable(lasts=True):
                self._disable(error.way or provider, _said(error))
            case Unreachable() if error.way:
                return self._keep_off_way(error, provider)
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
        why = f"it cannot take the conversation ({error.status})"
        if error.reason:
            why = _said(error)
        self._listener(f"{deployment.name} is out for {calls} of this run: {why}")

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
        units = (SECONDS.get(one.unit, 0) for one in error.reported)
        longest = max((*windows, *units), default=0.0)
        return self._cool(
            closed, min(RATE_COOLDOWN, 2 * shortest), error, longest=longest
        )

    def _keep_off_way(self, error: Unreachable, provider: str) -> float:
        """Pass over everything behind what broke, for a while."""
        now = self._store.now()
        reason, until = _said(error), now + WAY_COOLDOWN
        self._closures[error.way] = _Closure(
            reason=reason, until=now + FAILURE_COOLDOWN
        )
        self._closures[provider] = _Closure(reason=reason, until=until)
        if error.way not in self._announced:
            self._announced.add(error.way)
            self._listener(f"{reason}; all that goes through it is passed over")
        return until

    def _disable(self, place: str, reason: str, *, quiet: bool = False) -> None:
        closure = self._closures.get(place)
        if closure is None or closure.until is not None:
            self._closures[place] = _Closure(reason=reason)
            if quiet:
                return
            if _POOL.match(place):
                name = place.partition(":")[2]
                self._listener(f"{name} is out for this run: {reason}")
            else:
                what = "all that goes through it is out for this run"
                self._listener(f"{reason}; {what}")

    def _cool(
        self,
        pool: str,
        default: float,
        error: ProviderError,
        *,
        longest: float = 0.0,
    ) -> float:
        seconds = default if error.retry_after is None else error.retry_after
        if not isinstance(error, OutOfMoney):
            seconds = min(seconds, max(LONGEST_WAIT, longest))
        until = self._store.now() + max(SHORTEST_COOLDOWN, seconds)
        self._store.cool_down(pool, until=until, reason=failure_name(error))
        return until


_POOL = re.compile(r"(deployment|class|provider):")


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


_WITH_REASON = (Blocked, TimedOut, Unreachable, Unsendable, Unsupported)


def failure_name(error: ProviderError) -> str:
    """A failure in few words: our own sentence where one says what to do."""
    if isinstance(error, _WITH_REASON) and error.reason:
        return f"{type(error).__name__}: {_said(error)}"
    status = f" ({error.status})" if error.status is not None else ""
    return f"{type(error).__name__}{status}"


def _said(error: ProviderError) -> str:
    """The reason with its status."""
    status = f" ({error.status})" if error.status is not None else ""
    return f"{error.reason}{status}"


def _out(deployment: Deployment, error: ProviderError) -> tuple[str, str]:
    """What a failure that no time mends closes for this run, and why."""
    own, shared, provider = _places(deployment)
    match error:
        case BadKey():
            variable = deployment.provider.api_key_variable or "its key"
            return provider, f"{variable} was refused ({error.status}); check it"
        case Blocked():
            reached = {"deployment": own, "class": shared}
            return reached.get(error.reach, provider), _said(error)
        case ModelGone() if error.reason:
            return own, f"{deployment.model} is {error.reason}"
        case ModelGone():
            why = str(error).partition(": ")[2]
            if error.status == 404:
                why = "unknown or retired (404)"
            return own, f"{deployment.model} is {why}"
    return own, _said(error)


def _places(deployment: Deployment) -> tuple[str, str, str]:
    """The pools of the deployment, of its class if it has one, of its provider."""
    own, by = f"deployment:{deployment.name}", deployment.provider.name
    shared = f"class:{by}/{deployment.klass}" if deployment.klass else own
    return own, shared, f"provider:{by}"
