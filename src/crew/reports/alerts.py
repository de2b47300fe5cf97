"""The alerts that are open, as lines and as JSON."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from crew.journal.alerts import AlertRecord

MOST = 5
"""How many alerts `crew status` lists."""


def alert_lines(
    alerts: Sequence[AlertRecord], most: int | None = None
) -> Iterator[str]:
    """One line each, the latest first, and one for how many are left out."""
    shown = alerts if most is None else alerts[:most]
    for alert in shown:
        raised = datetime.fromtimestamp(alert.raised_at).astimezone()
        yield f"ALERT since {raised:%m-%d %H:%M}: {alert.text}"
    if len(shown) < len(alerts):
        yield f"and {len(alerts) - len(shown)} older alerts (--all)"


def alert_documents(alerts: Sequence[AlertRecord]) -> list[dict[str, object]]:
    """Each as a JSON document."""
    return [
        {
            "kind": alert.kind,
            "key": alert.key,
            "text": alert.text,
            "raised_at": _iso(alert.raised_at),
            "ends_at": None if alert.ended_at is None else _iso(alert.ended_at),
        }
        for alert in alerts
    ]


def _iso(at: float) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
