"""Keys that fail and deployments that are gone: alerts until they work again."""

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Protocol

from crew.alerts import Alert
from crew.alerts.alerts import Report
from crew.errors import BadKey, ModelGone, ProviderError
from crew.journal.alerts import AlertRecord
from crew.notices import Listener
from crew.quota.store import Store
from crew.settings import Deployment, Provider, Settings

KEY, GONE = "key", "gone"
"""The kinds of the alerts."""


class Reporter(Protocol):
    """Who passes alerts on now: the guard."""

    alert: Report
    end_alert: Callable[[str], object]
    listener: Listener


class Troubles:
    """The troubles that this process knows of. Another key, or another model, is
    another event."""

    def __init__(self, settings: Settings, store: Store, reporter: Reporter) -> None:
        self._settings = settings
        self._store = store
        self._reporter = reporter
        self._open: set[str] = set()

    def know(self, alerts: Iterable[AlertRecord]) -> None:
        """Take over what earlier runs reported; what cannot be any more ends."""
        for one in alerts:
            if is_over(self._settings, one):
                self._reporter.end_alert(one.key)
            elif one.kind in (KEY, GONE):
                self._open.add(one.key)

    def failed(self, deployment: Deployment, error: ProviderError, why: str) -> bool:
        """Report a key that was refused, or a deployment that is gone; `why` is one
        line without secrets. Returns whether that is news."""
        provider = deployment.provider
        match error:
            case BadKey():
                key, text = _of_key(provider), f"the key of {provider.name} fails: "
            case ModelGone():
                key, text = _of_model(deployment), f"{deployment.name} is gone: "
            case _:
                return False
        self._open.add(key)
        kind, now = key.partition(":")[0], self._store.now()
        alert = Alert(kind=kind, key=key, text=text + why, at=now)
        return self._reporter.alert(alert) is True

    def served(self, deployment: Deployment) -> None:
        """Note that a call was answered there, which ends its troubles."""
        if not self._open:
            return
        for key in (_of_key(deployment.provider), _of_model(deployment)):
            if key in self._open:
                self._open.discard(key)
                self._reporter.end_alert(key)
                self._reporter.listener(
                    f"{deployment.name} answers again; its alert is over"
                )


def is_over(settings: Settings, alert: AlertRecord) -> bool:
    """Whether an alert is about a key, or a model, that the settings no longer have:
    nobody will see it work again."""
    held = {
        KEY: map(_of_key, settings.providers.values()),
        GONE: map(_of_model, settings.deployments.values()),
    }
    return alert.kind in held and alert.key not in held[alert.kind]


def _of_key(provider: Provider) -> str:
    # A few digits tell one key from the next, and nobody gets from them to a key.
    said = f"{provider.name} {provider.api_key or ''}"
    return f"{KEY}:{provider.name}:{sha256(said.encode()).hexdigest()[:8]}"


def _of_model(deployment: Deployment) -> str:
    return f"{GONE}:{deployment.name}:{deployment.model}"
