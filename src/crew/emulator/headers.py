"""The rate-limit headers of each provider, as documented (2026-11)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from crew.emulator.enforcement import Reading
from crew.emulator.windows import length_of, whole_seconds
from crew.quota.limits import Metric

Headers = dict[str, str]
_UNITS = ("second", "minute", "hour", "day", "month", "run")
_TOKENS = (Metric.TOKENS, Metric.INPUT_TOKENS)


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


def _pick(
    readings: Iterable[Reading], metrics: Sequence[Metric], *units: str
) -> Reading | None:
    """The reading with the shortest window, of those metrics and units."""
    found = [
        reading
        for reading in readings
        if reading.limit.metric in metrics and reading.limit.unit in (units or _UNITS)
    ]
    return min(found, key=lambda r: _UNITS.index(r.limit.unit), default=None)


def _openai(readings: Sequence[Reading], now: float) -> Headers:
    requests = _pick(readings, [Metric.REQUESTS], "second", "minute")
    tokens = _pick(readings, _TOKENS, "second", "minute")
    return _x_ratelimit(requests, tokens)


def _groq(readings: Sequence[Reading], now: float) -> Headers:
    # Groq's "requests" are those of the day, its "tokens" those of the minute.
    requests = _pick(readings, [Metric.REQUESTS], "day")
    tokens = _pick(readings, _TOKENS, "minute")
    return _x_ratelimit(requests, tokens)


def _x_ratelimit(requests: Reading | None, tokens: Reading | None) -> Headers:
    headers = {}
    for name, reading in (("requests", requests), ("tokens", tokens)):
        if reading is not None:
            headers[f"x-ratelimit-limit-{name}"] = str(reading.limit.amount)
            headers[f"x-ratelimit-remaining-{name}"] = str(reading.left)
            headers[f"x-ratelimit-reset-{name}"] = go_duration(reading.resets_in)
    return headers


def _anthropic(readings: Sequence[Reading], now: float) -> Headers:
    headers = {}
    for name, metric in (
        ("requests", Metric.REQUESTS),
        ("tokens", Metric.TOKENS),
        ("input-tokens", Metric.INPUT_TOKENS),
        ("output-tokens", Metric.OUTPUT_TOKENS),
    ):
        reading = _pick(readings, [metric])
        if reading is not None:
            left = reading.left if name == "requests" else round(reading.left, -3)
            start = f"anthropic-ratelimit-{name}"
            headers[f"{start}-limit"] = str(reading.limit.amount)
            headers[f"{start}-remaining"] = str(left)
            headers[f"{start}-reset"] = rfc3339(now + whole_seconds(reading.resets_in))
    return headers


def _together(readings: Sequence[Reading], now: float) -> Headers:
    headers = {}
    for name, metrics in (("ratelimit", [Metric.REQUESTS]), ("tokenlimit", _TOKENS)):
        reading = _pick(readings, metrics)
        if reading is not None:
            # Together tells what one second allows, whatever the window.
            rate = max(1, int(reading.limit.amount / length_of(reading.limit)))
            for end in ("", "-dynamic"):
                headers[f"x-{name}-limit{end}"] = str(rate)
                headers[f"x-{name}-remaining{end}"] = str(min(rate, reading.left))
            headers[f"x-{name}-reset"] = str(whole_seconds(reading.resets_in))
    return headers


def _mistral(readings: Sequence[Reading], now: float) -> Headers:
    headers = {}
    minute = _pick(readings, _TOKENS, "minute")
    if minute is not None:
        headers["ratelimitbysize-limit"] = str(minute.limit.amount)
        headers["ratelimitbysize-remaining"] = str(minute.left)
        headers["ratelimitbysize-reset"] = str(whole_seconds(minute.resets_in))
    for unit in ("minute", "month"):
        reading = _pick(readings, _TOKENS, unit)
        if reading is not None:
            headers[f"x-ratelimitbysize-limit-{unit}"] = str(reading.limit.amount)
            headers[f"x-ratelimitbysize-remaining-{unit}"] = str(reading.left)
    return headers


_BY_FAMILY: Mapping[str, Callable[[Sequence[Reading], float], Headers]] = {
    "openai": _openai,
    "groq": _groq,
    "anthropic": _anthropic,
    "together_ai": _together,
    "mistral": _mistral,
}


def limit_headers(family: str, readings: Sequence[Reading], now: float) -> Headers:
    """The headers that come with every answer; none for a family that sends none."""
    write = _BY_FAMILY.get(family)
    return write(readings, now) if write else {}
