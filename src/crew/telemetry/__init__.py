"""A run as spans and metrics of OpenTelemetry; nothing is imported while it is off."""

from crew.telemetry.switch import is_on, telemetry

__all__ = ["is_on", "telemetry"]
