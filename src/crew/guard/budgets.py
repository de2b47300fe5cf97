"""Budgets in the guard: the pools that they are, and what is said and done at their
end."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from crew.alerts.alerts import Alert
from crew.errors import Closed, QuotaExceeded, StoreUnavailable
from crew.quota.limits import Limit, Metric, Pool, Refusal, WindowKind, window_end
from crew.quota.store import LimitState, Store
from crew.routing import Request
from crew.settings import Deployment, Settings
from crew.settings.budgets import EACH, Budget

RUN_ALERT_SECONDS = 86_400.0
"""How long an alert about the budget of a single run is open."""
ASK, STOP, WAIT, DOWNGRADE = "ask", "stop", "wait", "downgrade"
_WORDS = {
    DOWNGRADE: "cheaper deployments alone serve",
    WAIT: "calls wait",
    ASK: "the run pauses and asks for more",
    STOP: "the run stops",
    "": "only what costs nothing goes on",
}


class BudgetReached(QuotaExceeded):
    """A budget has no room, and says to ask or to stop."""

    def __init__(self, closed: Closed, budget: Budget, *, role: str) -> None:
        super().__init__([closed], role=role)
        self.asks = budget.then == ASK
        end = "the run pauses until more is approved" if self.asks else "the run stops"
        self.args = (f"the budget {budget_name(budget)} is reached, and {end}",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """More that somebody approved for one run, in the metric's base unit; `at` is in
    seconds since the epoch."""

    metric: Metric
    amount: int
    at: float


class Budgets:
    """The budgets of one guard. `alert` takes what a person must hear of."""

    def __init__(
        self, settings: Settings, store: Store, alert: Callable[[Alert], object]
    ) -> None:
        self._settings = settings
        self._store = store
        self._alert = alert
        self._approvals: tuple[Approval, ...] = ()
        self._said: dict[str, float] = {}
        plain = {one.limit for one in settings.budget_rules if not one.scope}
        self._all = [
            *settings.budget_rules,
            *(Budget(limit=one) for one in settings.budgets if one not in plain),
        ]

    def approve(self, approvals: Sequence[Approval]) -> None:
        """Raise the run's budgets by what was approved."""
        self._approvals = tuple(approvals)

    def pools(self, deployment: Deployment, request: Request) -> list[Pool]:
        """The budgets that a call draws on."""
        found: dict[str, list[Limit]] = {}
        for budget, name in self._of(deployment, request):
            found.setdefault(name, []).append(self._raised(budget))
        return [Pool(name=name, limits=tuple(held)) for name, held in found.items()]

    def of_tiers(
        self, deployment: Deployment, request: Request
    ) -> list[tuple[str, Pool]]:
        """The budgets of tiers that a call draws on, each with its tier."""
        return [
            (budget.tier, Pool(name=name, limits=(self._raised(budget),)))
            for budget, name in self._of(deployment, request)
            if budget.tier
        ]

    def rule(
        self, deployment: Deployment, request: Request, refusal: Refusal
    ) -> Budget | None:
        """The budget that refused a call, where it says what happens then."""
        if refusal.limit is None or not refusal.pool.startswith("budget"):
            return None
        for budget, name in self._of(deployment, request):
            same = budget.limit.spec == refusal.limit.spec
            if same and name == refusal.pool and (budget.then or budget.warn):
                return budget
        return None

    def settled(self, deployment: Deployment, request: Request) -> None:
        """Look, after a call, for budgets of which enough is used for a warning."""
        with suppress(StoreUnavailable):  # the next step there reports it
            now = self._store.now()
            warned = [
                (budget, Pool(name=name, limits=(self._raised(budget),)))
                for budget, name in self._of(deployment, request)
                if budget.warn is not None
            ]
            news = [one for one in warned if self._is_news("warn", *one, now)]
            states = self._store.snapshot([pool for _, pool in news]) if news else []
            for (budget, pool), state in zip(news, states, strict=True):
                self._warn(budget, pool, state.limits[0], now)

    def reached(
        self, budget: Budget, refusal: Refusal, deployment: Deployment
    ) -> Closed:
        """Say that a budget refused a call; returns what closes the deployment."""
        limit = refusal.limit or budget.limit
        now = self._store.now()
        opens = refusal.opens_at
        until = "" if opens is None else f" until {time_text(opens)}"
        name = budget_name(replace(budget, limit=limit))
        text = f"budget {name} is reached: {_WORDS[budget.then]}{until}"
        self._report(
            "reached", budget, Pool(name=refusal.pool, limits=(limit,)), text, now
        )
        return Closed(
            deployment=deployment.name, limit=f"budget {name}", opens_at=opens
        )

    def _of(
        self, deployment: Deployment, request: Request
    ) -> Iterator[tuple[Budget, str]]:
        """The budgets that a call concerns, each with the name of its pool."""
        for budget in self._all:
            if budget.is_per_run and not request.run:
                continue
            names = self._members(budget, deployment, request)
            if names is None:
                continue
            scope = ",".join(f"{what}:{name}" for what, name in names.items())
            pool = f"budget:{scope}" if scope else "budget"
            if budget.is_per_run:
                pool += f"{'/' if scope else ':'}{request.run}"
            yield budget, pool

    def _members(
        self, budget: Budget, deployment: Deployment, request: Request
    ) -> dict[str, str] | None:
        """Whose call it is, of what the budget names; None: it is not concerned."""
        settings, names = self._settings, budget.scope
        present = {
            "role": request.role,
            "user": settings.user,
            "team": settings.team,
            "provider": deployment.provider.name,
        }
        for what, name in names.items():
            if what == "tier":
                if deployment.name not in settings.tiers[name].chain:
                    return None
            elif name == EACH and what != "provider" and present[what]:
                names[what] = present[what]
            elif name != present[what]:
                return None
        return names

    def _raised(self, budget: Budget) -> Limit:
        """The limit of a budget, with what was approved in its present window."""
        limit = budget.limit
        asks = budget.then == ASK or (budget.is_per_run and budget.then != STOP)
        if not self._approvals or not asks:
            return limit
        more = sum(
            one.amount
            for one in self._approvals
            if one.metric is limit.metric and self._counts(limit, one)
        )
        if not more:
            return limit
        return replace(limit, amount=limit.amount + more, written=limit.amount)

    def _counts(self, limit: Limit, approval: Approval) -> bool:
        if limit.kind is WindowKind.CALENDAR:
            return window_end(limit, approval.at) > self._store.now()
        return approval.at + limit.seconds > self._store.now()

    def _warn(self, budget: Budget, pool: Pool, state: LimitState, now: float) -> None:
        limit = pool.limits[0]
        if budget.warn is None or state.used < budget.warn * limit.amount:
            return
        used, share = limit.shown(state.used), state.used / limit.amount
        name = budget_name(replace(budget, limit=limit))
        text = f"budget {name}: {share:.0%} is used ({used} {limit.metric})"
        self._report("warn", budget, pool, text, now)

    def _report(
        self, what: str, budget: Budget, pool: Pool, text: str, now: float
    ) -> None:
        if not self._is_news(what, budget, pool, now):
            return
        key, until = _event(what, pool, now)
        self._said[key] = until
        alert = Alert(kind="budget", key=key, text=text, at=now, until=until)
        self._alert(alert)

    def _is_news(self, what: str, budget: Budget, pool: Pool, now: float) -> bool:
        """Whether this process has not said it in the present window."""
        return self._said.get(_event(what, pool, now)[0], now) <= now


def _event(what: str, pool: Pool, now: float) -> tuple[str, float]:
    """The key of an event in the present window of a budget, and when that ends."""
    limit = pool.limits[0]
    key = f"{pool.name} {limit} {what}"
    if limit.kind is WindowKind.CALENDAR:
        end = window_end(limit, now)
        return f"{key} {end:.0f}", end
    if limit.kind is WindowKind.RUN:
        return key, now + RUN_ALERT_SECONDS
    return key, now + limit.seconds


def budget_name(budget: Budget) -> str:
    """A budget as a person reads it."""
    names = " and ".join(f"{what} {name}" for what, name in budget.scope.items())
    return f"{budget.limit} of {names}" if names else str(budget.limit)


def time_text(at: float) -> str:
    """A moment in the text of an alert."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
