"""What the end of an answer means, from the bytes of every protocol."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew.providers.answer_end import ENDINGS, Ending, read_end


def sse(*events: object) -> bytes:
    """Events as a stream sends them."""
    texts = [e if isinstance(e, str) else json.dumps(e) for e in events]
    return "".join(f"data: {text}\n\n" for text in texts).encode()


def openai(word: str | None, *, streamed: bool, **message: Any) -> bytes:
    part = {"delta" if streamed else "message": {"content": "x", **message}}
    first = {"choices": [{"index": 0, "finish_reason": None, **part}]}
    last = {"choices": [{"index": 0, "finish_reason": word, **part}]}
    usage = {"choices": [], "usage": {"prompt_tokens": 3}}
    return sse(first, last, usage, "[DONE]") if streamed else json.dumps(last).encode()


def anthropic(word: str | None, *, streamed: bool, stop: bool = True) -> bytes:
    if not streamed:
        whole = {"type": "message", "content": [], "stop_reason": word}
        return json.dumps(whole).encode()
    events: list[object] = [
        {"type": "message_start", "message": {"stop_reason": None}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "x"}},
        {"type": "message_delta", "delta": {"stop_reason": word}},
    ]
    return sse(*events, *([{"type": "message_stop"}] if stop else []))


def gemini(word: str | None, *, streamed: bool) -> bytes:
    candidate = {"index": 0, "content": {"parts": [{"text": "x"}]}}
    first, last = {"candidates": [candidate]}, {"candidates": [candidate]}
    if word is not None:
        last = {"candidates": [{**candidate, "finishReason": word}]}
    return sse(first, last) if streamed else json.dumps(last).encode()


def ollama(word: str | None, *, streamed: bool) -> bytes:
    first = {"message": {"content": "x"}, "done": False}
    last = {"message": {"content": ""}, "done": True, "done_reason": word}
    lines = [first, last] if streamed else [last]
    return b"\n".join(json.dumps(line).encode() for line in lines)


SAYING: dict[str, Any] = {
    "chat_completions": openai,
    "messages": anthropic,
    "generate_content": gemini,
    "api_chat": ollama,
}
WORDS = [(p, word) for p, words in ENDINGS.items() for word in words]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("protocol", "word"), WORDS)
def test_each_known_word_means_what_the_table_says(
    protocol: str, word: str, streamed: bool
) -> None:
    end = read_end(SAYING[protocol](word, streamed=streamed))

    assert end.ending is ENDINGS[protocol][word]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("protocol", SAYING)
def test_an_unknown_word_ends_no_answer_well(protocol: str, streamed: bool) -> None:
    end = read_end(SAYING[protocol]("something_new<b>", streamed=streamed))

    assert (end.ending, end.word) == (Ending.BROKEN, "something_newb")


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "protocol", ["chat_completions", "messages", "generate_content"]
)
def test_without_a_word_there_is_no_end(protocol: str, streamed: bool) -> None:
    assert read_end(SAYING[protocol](None, streamed=streamed)).ending is None


def test_claudes_stream_ends_with_its_last_event_only() -> None:
    cut = anthropic("end_turn", streamed=True, stop=False)

    assert read_end(cut).ending is None


@pytest.mark.parametrize("streamed", [False, True])
def test_a_refusal_beside_a_good_end_is_a_refusal(streamed: bool) -> None:
    body = openai("stop", streamed=streamed, refusal="I cannot help with that.")

    assert read_end(body).ending is Ending.REFUSED


def test_a_blocked_prompt_is_refused() -> None:
    body = json.dumps({"promptFeedback": {"blockReason": "SAFETY"}}).encode()

    assert read_end(body).ending is Ending.REFUSED


def test_of_several_choices_the_worst_counts() -> None:
    choices = [
        {"index": 0, "finish_reason": "stop"},
        {"index": 1, "finish_reason": "length"},
    ]

    assert read_end(json.dumps({"choices": choices}).encode()).ending is Ending.CUT_OFF


@pytest.mark.parametrize(
    "error", [{"type": "overloaded_error"}, {"code": "server_is_overloaded"}, "gone"]
)
def test_an_error_in_a_stream_goes_before_any_word(error: object) -> None:
    begun = anthropic("end_turn", streamed=True)

    end = read_end(begun + sse({"type": "error", "error": error}))

    assert end.ending is Ending.BROKEN
    assert end.error


@given(body=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_can_be_read(body: bytes) -> None:
    assert read_end(body).ending in {None, *Ending}


@given(text=st.text(max_size=60))
def test_words_within_the_text_of_an_answer_are_none(text: str) -> None:
    quoted = text + '"finish_reason": "error", "finishReason": "SAFETY"'
    body = openai("stop", streamed=True, content=quoted)

    assert read_end(body).ending is Ending.WHOLE
