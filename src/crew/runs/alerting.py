"""The alerts that stand, for who runs nothing."""

from crew.guard.troubles import is_over
from crew.journal import Journal
from crew.journal.alerts import AlertRecord
from crew.runs.regressions import ALERT as REGRESSION
from crew.settings import Settings


def open_alerts(settings: Settings, journal: Journal, now: float) -> list[AlertRecord]:
    """The latest first; without those about keys and models that the settings no
    longer have, and without regressions: what is known of those says when a bench
    ended. Raises StoreUnavailable."""
    return [
        one
        for one in journal.alerts.open(now)
        if one.kind != REGRESSION and not is_over(settings, one)
    ]
