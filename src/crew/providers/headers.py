"""What the headers of an answer say about the provider's limits.

The same name means different things: Groq's `requests` are those of the day, OpenAI's
those of the minute. Sources: the providers' documentation and captured answers, as of
2026-11.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from crew.providers.durations import sane, seconds_in
from crew.quota.limits import Metric
from crew.quota.reported import ReportedLimit

Headers = Mapping[str, str]
_Reader = Callable[[Headers, float | None], tuple[ReportedLimit, ...]]
_ABSURD = 10**15
_NUMBER = 20
_UNITS = ("second", "minute", "hour", "day", "month")
_DAY_AT_LEAST = 43_200.0


def reported_by_headers(
    family: str, headers: Headers, *, now: float | None
) -> tuple[ReportedLimit, ...]:
    """The limits that a provider told, on success as on failure.

    `family` is litellm's prefix of the model's id; of an unknown one the names of the
    headers decide. Names are in lower case, or the mapping ignores case. Moments are
    left out when `now` (seconds since the epoch) is None.
    """
    return _READERS.get(family, _by_name)(headers, now)


def retry_after(headers: Headers, *, now: float | None) -> float | None:
    """Seconds to wait, as the provider says in so many words."""
    millis = headers.get("retry-after-ms")  # OpenAI, finer than the other
    if millis is not None and (wait := seconds_in(millis, None)) is not None:
        return sane(wait / 1_000)
    text = headers.get("retry-after")
    return seconds_in(text, now) if text is not None else None


def _nothing(headers: Headers, now: float | None) -> tuple[ReportedLimit, ...]:
    return ()


def _anthropic(headers: Headers, now: float | None) -> tuple[ReportedLimit, ...]:
    found = []
    for name, metric in (
        ("requests", Metric.REQUESTS),
        ("input-tokens", Metric.INPUT_TOKENS),
        ("output-tokens", Metric.OUTPUT_TOKENS),
        ("tokens", Metric.TOKENS),
    ):
        start = f"anthropic-ratelimit-{name}-"
        names = (f"{start}limit", f"{start}remaining", f"{start}reset")
        # What remains of tokens is rounded to the nearest thousand.
        slack = 0 if metric is Metric.REQUESTS else 500
        found.append(_one(headers, names, metric, "minute", now, slack=slack))
    return _those(found)


def _x_ratelimit(name: str) -> tuple[str, str, str]:
    start = "x-ratelimit"
    return f"{start}-limit-{name}", f"{start}-remaining-{name}", f"{start}-reset-{name}"


_REQUESTS, _TOKENS = _x_ratelimit("requests"), _x_ratelimit("tokens")
_OPENAI = (
    (_REQUESTS, Metric.REQUESTS, "minute"),
    (_TOKENS, Metric.TOKENS, "minute"),
    (_x_ratelimit("project-tokens"), Metric.TOKENS, "minute"),
    # Cerebras, SambaNova: the window is in the name.
    *(
        (_x_ratelimit(f"{metric}-{unit}"), metric, unit)
        for metric in (Metric.REQUESTS, Metric.TOKENS)
        for unit in _UNITS
    ),
)


def _openai(headers: Headers, now: float | None) -> tuple[ReportedLimit, ...]:
    return _those(
        [
            _by_pace(_one(headers, names, metric, unit, now))
            for names, metric, unit in _OPENAI
        ]
    )


def _by_pace(reported: ReportedLimit | None) -> ReportedLimit | None:
    """A limit on requests with the window that its own numbers tell.

    A bucket that refills tells how fast it does: what is missing, and when it is
    back. OpenAI's small accounts have a limit per day under the same name.
    """
    if (
        reported is None
        or reported.metric is not Metric.REQUESTS
        or reported.unit != "minute"
    ):
        return reported
    if (
        reported.amount is None
        or reported.remaining is None
        or reported.resets_in is None
    ):
        return reported
    missing = reported.amount - reported.remaining
    if missing > 0 and reported.resets_in * reported.amount / missing >= _DAY_AT_LEAST:
        return replace(reported, unit="day")
    return reported


def _groq(headers: Headers, now: float | None) -> tuple[ReportedLimit, ...]:
    return _those(
        [
            _one(headers, _REQUESTS, Metric.REQUESTS, "day", now),
            _one(headers, _TOKENS, Metric.TOKENS, "minute", now),
        ]
    )


def _together(headers: Headers, now: float | None) -> tuple[ReportedLimit, ...]:
    found = []
    for start, metric in (
        ("x-ratelimit", Metric.REQUESTS),
        ("x-tokenlimit", Metric.TOKENS),
    ):
        for end in ("", "-dynamic"):
            names = (
                f"{start}-limit{end}",
                f"{start}-remaining{end}",
                f"{start}-reset{end}",
            )
            found.append(_one(headers, names, metric, "second", now))
    return _those(found)


def _mistral(headers: Headers, now: float | None) -> tuple[ReportedLimit, ...]:
    size = "ratelimitbysize"
    plain = (f"{size}-limit", f"{size}-remaining", f"{size}-reset")
    minute = _one(headers, plain, Metric.TOKENS, "minute", now)
    found = [minute]
    for unit in ("minute", "month"):
        if unit == "month" or minute is None:
            names = (f"x-{size}-limit-{unit}", f"x-{size}-remaining-{unit}", "")
            found.append(_one(headers, names, Metric.TOKENS, unit, now))
    return _those(found)


def _by_name(headers: Headers, now: float | None) -> tuple[ReportedLimit, ...]:
    for read, signs in _SIGNS:
        if any(sign in headers for sign in signs):
            return read(headers, now)
    return _openai(headers, now)


_SIGNS: tuple[tuple[_Reader, tuple[str, ...]], ...] = (
    (
        _anthropic,
        tuple(
            f"anthropic-ratelimit-{name}-limit"
            for name in ("requests", "tokens", "input-tokens", "output-tokens")
        ),
    ),
    (_mistral, ("ratelimitbysize-limit", "x-ratelimitbysize-limit-minute")),
    (_together, ("x-tokenlimit-limit",)),
)
_READERS: Mapping[str, _Reader] = {
    "anthropic": _anthropic,
    "openai": _openai,
    "groq": _groq,
    "together_ai": _together,
    "mistral": _mistral,
    # OpenRouter tells in the body of a refusal; the others do not tell at all.
    "openrouter": _nothing,
    "gemini": _nothing,
    "deepseek": _nothing,
    "ollama_chat": _nothing,
}


def _one(
    headers: Headers,
    names: tuple[str, str, str],
    metric: Metric,
    unit: str,
    now: float | None,
    *,
    slack: int = 0,
) -> ReportedLimit | None:
    limit, remaining = headers.get(names[0]), headers.get(names[1])
    if limit is None and remaining is None:
        return None
    reset = headers.get(names[2])
    amount = _count(limit)
    reported = ReportedLimit(
        metric=metric,
        unit=unit,
        # Servers that know no limit write 0 or -1.
        amount=amount or None,
        remaining=_count(remaining),
        resets_in=seconds_in(reset, now) if reset is not None else None,
        slack=slack,
    )
    return (
        reported
        if reported.amount is not None or reported.remaining is not None
        else None
    )


def _count(text: str | None) -> int | None:
    """A whole number that is not negative."""
    if text is None or len(text) > _NUMBER:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if 0 <= number <= _ABSURD else None


def _those(found: list[ReportedLimit | None]) -> tuple[ReportedLimit, ...]:
    return tuple(reported for reported in found if reported is not None)
