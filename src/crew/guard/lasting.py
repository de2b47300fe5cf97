"""Allowances that will not last: alerts, once in each window."""

from collections.abc import Sequence
from contextlib import suppress

from crew.alerts import Alert
from crew.errors import StoreUnavailable
from crew.guard.budgets import time_text
from crew.guard.paces import paces
from crew.guard.pools import Pools
from crew.guard.troubles import Reporter
from crew.journal import Recent
from crew.quota.limits import WindowKind, window_end
from crew.quota.store import Store
from crew.reports.allowances import Allowance, allowances
from crew.settings import Settings

ALLOWANCE = "allowance"
"""The kind of the alerts."""
SHORTEST = 86_400.0
"""Seconds: what is back in an hour is no news."""
LEAST_SHARE = 0.25
"""How much has to be used: a rate says little about a day that has only begun."""
_PROVIDERS = ("provider:", "class:", "deployment:")


class Lasting:
    """Looks at what providers allow for a day or a month, where it is drawn on.
    Budgets have warnings of their own."""

    def __init__(
        self, settings: Settings, store: Store, pools: Pools, reporter: Reporter
    ) -> None:
        self._settings = settings
        self._store = store
        self._pools = pools
        self._reporter = reporter

    def look(self, recent: Sequence[Recent]) -> None:
        """Report what would be empty before it resets, at the rate of these calls."""
        with suppress(StoreUnavailable):  # the next call there reports it
            now = self._store.now()
            known = paces(self._settings, self._pools, recent, now)
            drawn = [
                pool
                for pool in self._pools.known_pools()
                if pool.name in known and pool.name.startswith(_PROVIDERS)
            ]
            for one in allowances(self._store.snapshot(drawn), known, now):
                if one.limit.seconds >= SHORTEST and one.share >= LEAST_SHARE:
                    self._report(one, now)

    def _report(self, one: Allowance, now: float) -> None:
        if one.empty_at is None:
            return
        until = one.resets_at or now + one.limit.seconds
        if one.limit.kind is WindowKind.CALENDAR:
            until = window_end(one.limit, now)
        text = (
            f"{one.pool}: {one.limit} will not last: {one.share:.0%} is used, and at "
            f"this rate it is empty at {time_text(one.empty_at)}; "
            f"it resets at {time_text(until)}"
        )
        key = f"{ALLOWANCE}:{one.pool} {one.limit.spec}"
        alert = Alert(kind=ALLOWANCE, key=key, text=text, at=now, until=until)
        self._reporter.alert(alert)
