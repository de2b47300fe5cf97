"""How limits and times are written into headers, as several families do."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from crew.emulator.enforcement import Reading
from crew.quota.limits import Metric

Headers = dict[str, str]
_UNITS = ("second", "minute", "hour", "day", "month", "run")
ALL_TOKENS = (Metric.TOKENS, Metric.INPUT_TOKENS)


def go_duration(seconds: float) -> str:
    """Seconds as Go prints them: `84ms`, `7.66s`, `2m59.56s`, `6m0s`."""
    millis = max(0, round(seconds * 1000))
    if millis < 1000:
        return f"{millis}ms" if millis else "0s"
    minutes, rest = divmod(millis, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text


def rfc3339(moment: float) -> str:
    """Seconds since the epoch as `2026-04-01T12:00:00Z`."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"


def pick(
    readings: Iterable[Reading], metrics: Sequence[Metric], *units: str
) -> Reading | None:
    """The reading with the shortest window, of those metrics and units."""
    found = [
        reading
        for reading in readings
        if reading.limit.metric in metrics and reading.limit.unit in (units or _UNITS)
    ]
    return min(found, key=lambda r: _UNITS.index(r.limit.unit), default=None)


def x_ratelimit(requests: Reading | None, tokens: Reading | None) -> Headers:
    """The headers in which OpenAI and Groq say where these limits stand."""
    headers = {}
    for name, reading in (("requests", requests), ("tokens", tokens)):
        if reading is not None:
            headers[f"x-ratelimit-limit-{name}"] = str(reading.limit.amount)
            headers[f"x-ratelimit-remaining-{name}"] = str(reading.left)
            headers[f"x-ratelimit-reset-{name}"] = go_duration(reading.resets_in)
    return headers
