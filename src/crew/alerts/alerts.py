"""Alerts: an event is reported once, until it ends, by all processes together."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from crew.alerts.delivery import Delivery
from crew.clock import Clock
from crew.errors import StoreUnavailable
from crew.journal import Journal
from crew.journal.alerts import AlertRecord
from crew.progress.events import AlertRaised
from crew.progress.progress import Progress, one_line
from crew.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One event. `kind` is a word such as `budget`; `key` names the event, so that it
    is reported once; `text` is one line for a person. `at` is when it happened and
    `until` when it ends by itself, in seconds since the epoch; None: with
    `Alerts.end`."""

    kind: str
    key: str
    text: str
    at: float
    until: float | None = None


Report = Callable[[Alert], object]
"""Takes an alert."""


class Alerts:
    """The alerts of one process. The journal is what is shared: without one this
    process alone knows what it reported. In a rehearsal nothing is noted or sent."""

    def __init__(
        self,
        settings: Settings,
        journal: Journal | None,
        progress: Progress,
        clock: Clock,
        *,
        run: str = "",
    ) -> None:
        shared = journal is not None and not settings.rehearsal
        self._table = journal.alerts if journal is not None and shared else None
        self._secrets = settings.secrets
        self._progress = progress
        self._clock = clock
        self._run = run
        self._known: dict[str, float | None] = {}
        self._lock = threading.Lock()
        self._delivery = Delivery(
            settings.alerts, clock, progress.notice, on=not settings.rehearsal
        )

    def report(self, alert: Alert) -> bool:
        """Show an alert, note it and send it. False: its event was reported before
        and has not ended, and nothing happens. Never raises."""
        text = one_line(self._secrets.masked(alert.text), 1_000)
        record = AlertRecord(
            key=self._secrets.masked(alert.key),
            kind=alert.kind,
            text=text,
            raised_at=alert.at,
            ended_at=alert.until,
        )
        if not self._is_new(record):
            return False
        self._progress.publish(
            AlertRaised(kind=alert.kind, key=record.key, text=text),
            notice=f"ALERT: {text}",
        )
        self._delivery.send(record, self._run)
        return True

    def end(self, key: str) -> None:
        """Note that an event is over: the next one with this key is a new one."""
        key = self._secrets.masked(key)
        with self._lock:
            self._known.pop(key, None)
        if self._table is not None:
            with suppress(StoreUnavailable):  # who reads it next reports that
                self._table.end(key, self._clock.now())

    def close(self) -> None:
        """Give what is being sent a few seconds."""
        self._delivery.close()

    def _is_new(self, alert: AlertRecord) -> bool:
        # A journal that takes nothing is reported by the run.
        with suppress(StoreUnavailable):
            if self._table is not None:
                return self._table.add(alert)
        with self._lock:
            until = self._known.get(alert.key, float("-inf"))
            if until is None or until > alert.raised_at:
                return False
            self._known[alert.key] = alert.ended_at
            return True
