"""What is kept of an unknown failure: its words, and neither a key nor a prompt."""

import json

import pytest

from crew.providers.signals import classify
from families.captured import (
    openai_error,
)


def test_what_is_unknown_is_kept_for_the_journal() -> None:
    body = openai_error("Something odd about this request", "odd_error", "odd")

    raw = json.loads(classify("slot", 400, json.dumps(body), {}).raw)

    assert raw == {
        "type": "odd_error",
        "code": "odd",
        "message": "Something odd about this request",
    }


KEYS = [
    "sk-proj-abcdefghijklmnop",
    "sk-ant-api03-AAAA_bbbb-cccc",
    "sk-or-v1-0123456789abcdef0123456789abcdef",
    "gsk_abcdefghijklmnop",
    "AIzaSyA-abcdefghijklmnop",
    "Bearer abc.def",
    "0123456789abcdef0123456789abcdef",
    "QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
    "ABCDEFGHIJKLMNOPQRSTUVWX",
    "abcdefghijklmnopqrstuvwxyz",
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "body",
    [
        "denied for {}, sorry",
        "{}",
        "x" * 5 + " " * 80 + "{}",
        '{{"error": {{"message": "denied for {}", "type": "odd"}}}}',
        '{{"error": {{"code": "{}", "type": "{}"}}}}',
        '{{"message": "key={}"}}',
    ],
)
def test_no_key_stays_in_what_is_kept(key: str, body: str) -> None:
    for status in (400, 401, 429, 500):
        error = classify("slot", status, body.format(key, key), {})

        assert key not in error.raw
        assert key[-12:] not in error.raw
        assert key not in str(error)


PROMPT = "Write my diary for the king"


@pytest.mark.parametrize(
    "body",
    [
        openai_error(f"Invalid value: '{PROMPT}'. Supported values are: 'a'."),
        openai_error(f'Could not parse "{PROMPT}'),
        openai_error("Validation failed: " + json.dumps({"content": PROMPT})),
        openai_error("x" * 101 + PROMPT),
        openai_error(f"1 validation error: input_value={PROMPT}"),
        {"detail": [{"type": "extra", "msg": "not allowed", "input": PROMPT}]},
        {"object": "error", "message": {"detail": [{"msg": "no", "input": PROMPT}]}},
        {"messages": [{"role": "user", "content": PROMPT}]},
        {"error": {"message": "no", "request": PROMPT}},
        [{"error": {"message": "no", "details": [{"description": PROMPT}]}}],
    ],
    ids=lambda body: json.dumps(body)[:50],
)
def test_no_prompt_stays_in_what_is_kept(body: object) -> None:
    for status in (400, 422, 429, 500):
        error = classify("slot", status, json.dumps(body), {})

        assert "diary" not in error.raw
        assert "diary" not in str(error)
