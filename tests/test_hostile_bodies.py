"""Whatever a provider sends is read: arbitrary, cut and hostile bodies and headers."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew.errors import (
    BadAnswer,
    BadRequest,
    Blocked,
    ContextTooLong,
    ModelGone,
    OutOfMoney,
    Overloaded,
    ProviderError,
    RateLimited,
    Unsupported,
)
from crew.providers.signals import classify
from families import HEADERS, REFUSALS
from families.captured import (
    DAY,
    NOW,
    Case,
)
from families.unknown import BY_STATUS, RETRY_AFTER

COARSE: dict[int, type[ProviderError]] = dict(BY_STATUS)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "error",
                    "message",
                    "details",
                    "metadata",
                    "headers",
                    "violations",
                    "quotaId",
                    "quotaValue",
                    "retryDelay",
                    "detail",
                    "msg",
                    "code",
                    "type",
                    "status",
                    "X-RateLimit-Reset",
                    "X-RateLimit-Limit",
                ]
            )
            | st.text(max_size=8),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


BODIES = st.one_of(
    st.text(),
    st.binary().map(lambda raw: raw.decode(errors="replace")),
    ANYTHING.map(json.dumps),
    st.sampled_from(REFUSALS).map(Case.text),
    st.tuples(st.sampled_from(REFUSALS), st.integers(0, 900)).map(
        lambda pair: pair[0].text()[: pair[1]]
    ),
    st.tuples(st.sampled_from(REFUSALS), st.integers(0, 300), st.text(max_size=5)).map(
        lambda part: part[0].text()[: part[1]] + part[2] + part[0].text()[part[1] + 3 :]
    ),
)


NAMES = sorted({name for case in HEADERS for name in case.headers})


SOME_HEADERS = st.dictionaries(
    st.sampled_from([*NAMES, "retry-after", "Retry-After-Ms", "date"])
    | st.text(max_size=10),
    st.text(max_size=20)
    | st.integers().map(str)
    | st.floats().map(str)
    | st.sampled_from([text for text, _ in RETRY_AFTER]),
    max_size=6,
)


FAMILIES = [*sorted({case.family for case in REFUSALS}), "", "new"]


@given(
    status=st.sampled_from(sorted(COARSE)) | st.integers(-10, 1_000),
    body=BODIES,
    headers=SOME_HEADERS,
    family=st.sampled_from(FAMILIES),
    now=st.none() | st.floats(0, 4e9),
)
def test_nothing_that_comes_breaks_the_reading(
    status: int, body: str, headers: dict[str, str], family: str, now: float | None
) -> None:
    error = classify("slot", status, body, headers, family=family, now=now)

    assert isinstance(error, ProviderError)
    assert error.status == status
    if error.retry_after is not None:
        assert 0 <= error.retry_after <= 32 * DAY
    if error.never:
        assert error.retry_after is None
    assert len(error.raw) <= 500
    for reported in error.reported:
        assert reported.unit in ("second", "minute", "hour", "day", "month")
        assert reported.amount is None or reported.amount > 0
        assert reported.resets_in is None or 0 <= reported.resets_in <= 32 * DAY
    if status == 429:
        assert isinstance(
            error, RateLimited | OutOfMoney | Overloaded | ModelGone | Blocked
        )
    if status >= 500:
        # What a server of one's own cannot do is a 500 as well.
        assert isinstance(
            error,
            Overloaded | Unsupported | ContextTooLong | ModelGone | Blocked | BadAnswer,
        )


@given(status=st.integers(-10, 1_000), body=ANYTHING.map(json.dumps))
def test_a_body_without_a_known_word_is_judged_by_its_status(
    status: int, body: str
) -> None:
    error = classify("slot", status, body, {}, now=NOW)

    expected = COARSE.get(status)
    if expected is None:
        expected = BadRequest if 400 <= status < 500 else BadAnswer
        expected = Overloaded if status >= 500 or status == 498 else expected
    if status in (451, 511):
        expected = Blocked
    # Too large, and too long where nothing else is said.
    assert type(error) is expected or (status == 413 and isinstance(error, BadRequest))


@pytest.mark.parametrize(
    "text",
    [
        "tokens per min " * 20_000,
        "tokens per min (TPM): Limit " + "1," * 100_000,
        "Please try again in " + "1m" * 100_000,
        "of " + "1," * 100_000,
        "limit: " * 50_000,
        "'" * 200_000,
        "a' '" * 50_000,
        "a-b_" * 50_000,
        "<" * 200_000,
        "[" * 200_000,
        '{"error":' * 30_000,
        '{"a":' * 199_000,
        " " * 200_000 + "{",
        "input " * 50_000,
        "sk-" * 80_000,
        '{"error": {"code": ' + "9" * 5_000 + "}}",
        '{"error": {"code": ' + "9" * 4_000 + "}}",
        json.dumps({"error": {"details": [[]] * 50_000}}),
        json.dumps({"error": {"details": [{"violations": [{}] * 1_000}] * 100}}),
    ],
    ids=lambda text: text[:30],
)
def test_a_hostile_body_is_read_in_no_time(text: str) -> None:
    began = time.process_time()  # of the processor: a busy machine is no failure
    for status in (400, 413, 429, 500):
        error = classify("slot", status, text, {"retry-after": text}, now=NOW)
        assert error.retry_after is None
    assert time.process_time() - began < 20.0
