"""Whether telemetry is on: the standard variables of OpenTelemetry say so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crew.notices import Listener
    from crew.settings import Settings
    from crew.telemetry.recording import Telemetry

_ADDRESSES = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)


def is_on(environ: Mapping[str, str]) -> bool:
    """Whether a variable names where spans or metrics go, and none switches it off."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    return any(environ.get(name, "").strip() for name in _ADDRESSES)


def telemetry(
    settings: Settings, environ: Mapping[str, str], notices: Listener
) -> Telemetry | None:
    """What listens to the events of a run; None while it is off."""
    if not is_on(environ):
        return None
    # On use: the SDK takes a while to load.
    from crew.telemetry.export import exporting

    return exporting(settings, environ, notices)
