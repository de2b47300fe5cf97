"""What a person must hear of: each event once, here and where the YAML sends it."""

from crew.alerts.alerts import Alert, Alerts

__all__ = ["Alert", "Alerts"]
