"""Which class of our error tree a provider's refusal is, and what it reports."""

import json

import pytest

from crew.errors import (
    Blocked,
    ContextTooLong,
    ProviderError,
    Unsupported,
)
from crew.providers.signals import classify
from families import REFUSALS, UNSUPPORTED, openai
from families.captured import (
    NOW,
    Case,
    openai_error,
)
from families.unknown import BY_STATUS


@pytest.mark.parametrize("case", REFUSALS, ids=lambda c: f"{c.family}: {c.name}")
def test_a_captured_body_is_understood(case: Case) -> None:
    error = case.error()

    assert type(error) is case.kind
    assert error.status == case.status
    assert error.retry_after == pytest.approx(case.wait)
    assert error.never is case.never
    assert len(error.reported) == len(case.reported)
    for found, expected in zip(error.reported, case.reported, strict=True):
        assert (found.metric, found.unit) == (expected.metric, expected.unit)
        assert (found.amount, found.remaining) == (expected.amount, expected.remaining)
        assert found.resets_in == pytest.approx(expected.resets_in)
    assert (error.raw == "") is case.known


@pytest.mark.parametrize("case", REFUSALS, ids=lambda c: f"{c.family}: {c.name}")
def test_the_family_is_not_needed_to_read_a_body(case: Case) -> None:
    error = classify("slot", case.status, case.text(), case.headers, now=NOW)

    assert type(error) is case.kind


@pytest.mark.parametrize(("family", "status", "message"), UNSUPPORTED)
def test_what_one_model_cannot_take_is_no_fault_of_the_request(
    family: str, status: int, message: str
) -> None:
    body = json.dumps(openai_error(message, "invalid_request_error"))

    error = classify("slot", status, body, {}, family=family)

    assert type(error) is Unsupported
    assert error.costs_nothing


@pytest.mark.parametrize(
    ("message", "window"),
    [
        ("This model's maximum context length is 8,192 tokens. However, ...", 8_192),
        ("prompt is too long: 205000 tokens > 200000 maximum", 200_000),
        (
            "input length and `max_tokens` exceed context limit: 199000 + 8000 > "
            "200000, decrease input length",
            200_000,
        ),
        (
            "The input token count (120) exceeds the maximum number of tokens "
            "allowed (1048576).",
            1_048_576,
        ),
        ("the prompt exceeds the context length", None),
    ],
)
def test_how_much_fits_is_read_where_it_is_said(
    message: str, window: int | None
) -> None:
    body = json.dumps({"error": {"message": message, "code": None}})

    error = classify("slot", 400, body, {}, family="openai")

    assert isinstance(error, ContextTooLong)
    assert error.window == window


def test_a_message_that_crewai_waits_for_is_in_too_long_a_conversation() -> None:
    (too_long,) = (c for c in openai.REFUSALS if c.name == "too long")

    assert "maximum context length" in str(too_long.error())


@pytest.mark.parametrize(("status", "kind"), BY_STATUS)
@pytest.mark.parametrize(
    "body", ["", "{}", "[]", "null", "<html>no</html>", '{"error": {"message": "?"}}']
)
def test_the_status_decides_about_an_unknown_body(
    status: int, kind: type[ProviderError], body: str
) -> None:
    error = classify("slot", status, body, {}, now=NOW)

    if status == 403 and body.startswith("<html>"):
        kind = Blocked  # a page for people is a firewall's
    if status == 413 and "message" not in body:
        kind = ContextTooLong
    assert type(error) is kind
    assert (error.retry_after, error.never, error.reported) == (None, False, ())
