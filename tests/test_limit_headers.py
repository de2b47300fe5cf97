"""What the headers of an answer report about the provider's limits."""

import pytest

from crew.providers.signals import ReportedLimit, reported_by_headers
from families import HEADERS
from families.captured import NOW, REQUESTS, TOKENS


@pytest.mark.parametrize(
    ("family", "headers", "expected"),
    [
        pytest.param(
            case.family, case.headers, case.limits, id=f"{case.family}: {case.name}"
        )
        for case in HEADERS
    ],
)
def test_headers_tell_limits(
    family: str, headers: dict[str, str], expected: tuple[ReportedLimit, ...]
) -> None:
    assert reported_by_headers(family, headers, now=NOW) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (case.headers, case.limits)
        for case in HEADERS
        if case.family not in ("groq", "gemini")
    ],
    ids=lambda value: str(value)[:40],
)
def test_of_an_unknown_family_the_names_decide(
    headers: dict[str, str], expected: tuple[ReportedLimit, ...]
) -> None:
    assert reported_by_headers("new", headers, now=NOW) == expected


def test_together_is_known_by_its_names_alone_when_tokens_are_told() -> None:
    headers = {"x-tokenlimit-limit": "300", "x-ratelimit-limit": "10"}

    reported = reported_by_headers("new", headers, now=NOW)

    assert [(one.metric, one.unit) for one in reported] == [
        (REQUESTS, "second"),
        (TOKENS, "second"),
    ]
