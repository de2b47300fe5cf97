"""What the headers of an answer say about the provider's limits.

The same name means different things at different families (`requests` of a day, or of a
minute): each has a reader in its own file; what the readers share is here.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from crew.providers.durations import seconds_in, seconds_of_millis
from crew.quota.limits import Metric
from crew.quota.reported import ReportedLimit

Headers = Mapping[str, str]
HeaderReader = Callable[[Headers, float | None], tuple[ReportedLimit, ...]]
_ABSURD = 10**15
_NUMBER = 20
_UNITS = ("second", "minute", "hour", "day", "month")
_DAY_AT_LEAST = 43_200.0


def retry_after(headers: Headers, *, now: float | None) -> float | None:
    """Seconds to wait, as the provider says in so many words."""
    for name in _RETRY_MILLIS:
        millis = headers.get(name)
        if millis is not None and (wait := seconds_of_millis(millis)) is not None:
            return wait
    text = next((headers[name] for name in _RETRY if name in headers), None)
    return seconds_in(text, now) if text is not None else None


_RETRY_MILLIS = ("retry-after-ms", "x-ms-retry-after-ms")
"""OpenAI and Azure, finer than the other."""
_RETRY = ("retry-after", "x-retry-after", "x-ratelimit-retry-after")
_NAMED = re.compile(r"x-ratelimit-reset-(?:\w+)-(hour|day|week|month)s?")
_PLAIN = (
    ("ratelimit-reset", "ratelimit-remaining"),
    ("x-ratelimit-reset-after", "x-ratelimit-remaining"),
    ("x-rate-limit-reset", "x-rate-limit-remaining"),
    ("x-ratelimit-reset", "x-ratelimit-remaining"),
)


def long_window_back(headers: Headers, now: float | None) -> float | None:
    """When a used-up window is back that its header names (`x-ratelimit-reset-tokens-
    day`): such a window ends, it does not refill. None where all have room."""
    waits = [
        seconds_in(text, now)
        for name, text in headers.items()
        if _NAMED.fullmatch(name)
        and _is_used_up(headers.get(name.replace("-reset-", "-remaining-")))
    ]
    return max((wait for wait in waits if wait is not None), default=None)


def plain_reset(headers: Headers, now: float | None) -> float | None:
    """When the one limit is back that a refusal speaks of, without a name."""
    for reset, remaining in _PLAIN:
        if reset in headers and _is_used_up(headers.get(remaining)):
            return seconds_in(headers[reset], now)
    return None


def _is_used_up(remaining: str | None) -> bool:
    return remaining is None or _count(remaining) == 0


def no_limits(headers: Headers, now: float | None) -> tuple[ReportedLimit, ...]:
    """Of a family whose headers say nothing of limits."""
    return ()


def _x_ratelimit(name: str) -> tuple[str, str, str]:
    start = "x-ratelimit"
    return f"{start}-limit-{name}", f"{start}-remaining-{name}", f"{start}-reset-{name}"


REQUESTS, TOKENS = _x_ratelimit("requests"), _x_ratelimit("tokens")
_OPENAI = (
    (REQUESTS, Metric.REQUESTS, "minute"),
    (TOKENS, Metric.TOKENS, "minute"),
    (_x_ratelimit("project-tokens"), Metric.TOKENS, "minute"),
    # Cerebras, SambaNova: the window is in the name.
    *(
        (_x_ratelimit(f"{metric}-{unit}"), metric, unit)
        for metric in (Metric.REQUESTS, Metric.TOKENS)
        for unit in _UNITS
    ),
)


def openai_limits(headers: Headers, now: float | None) -> tuple[ReportedLimit, ...]:
    """The limits as OpenAI reports them, and most who speak as it does."""
    return those(
        [
            _by_pace(limit_in(headers, names, metric, unit, now))
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


def limit_in(
    headers: Headers,
    names: tuple[str, str, str],
    metric: Metric,
    unit: str,
    now: float | None,
    *,
    slack: int = 0,
) -> ReportedLimit | None:
    """The limit in the headers of these `names`: the limit, what remains of it, and
    when it is reset."""
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


def those(found: list[ReportedLimit | None]) -> tuple[ReportedLimit, ...]:
    """The limits that were found."""
    return tuple(reported for reported in found if reported is not None)
