"""What models thought, beside the conversation: kept for those who want it back."""

from types import SimpleNamespace
from typing import Any

import pytest

from crew.providers.reasoning import BLANK, KEPT, KeptReasoning, streamed
from crew.settings import Deployment, Provider

ACCOUNT = Provider(name="account", api_key="k")


def deployment(model: str) -> Deployment:
    return Deployment(name=model, provider=ACCOUNT, model=model)


def calls(*ids: str) -> list[Any]:
    function = SimpleNamespace(name="f", arguments="{}")
    return [SimpleNamespace(id=id, function=function) for id in ids]


def message(*ids: str, arguments: str = "{}") -> dict[str, Any]:
    function = {"name": "f", "arguments": arguments}
    made = [{"id": i, "type": "function", "function": function} for i in ids]
    return {"role": "assistant", "content": None, "tool_calls": made}


ALL = {
    "reasoning_content": "hm",
    "reasoning": "hm",
    "thinking_blocks": [{"type": "thinking", "signature": "s"}],
    "reasoning_details": [{"type": "reasoning.text", "text": "hm"}],
}


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("anthropic/claude-opus-5", ["thinking_blocks"]),
        ("deepseek/deepseek-v4-flash", ["reasoning_content"]),
        ("openrouter/z-ai/glm-5.2:free", ["reasoning_details"]),
        ("openai/own-model", ["reasoning_content"]),
        ("litellm_proxy/alias", ["reasoning_content", "thinking_blocks"]),
        ("groq/openai/gpt-oss-120b", []),
        ("mistral/mistral-small-latest", []),
        ("gemini/gemini-3.5-flash-lite", []),
    ],
)
def test_a_family_is_given_back_what_it_takes(model: str, fields: list[str]) -> None:
    reasoning, own = KeptReasoning(), deployment(model)
    reasoning.keep(own, calls("c1", "c2"), ALL)

    assert reasoning.beside(own, message("c1", "c2")) == {n: ALL[n] for n in fields}
    assert reasoning.beside(own, {"role": "tool", "tool_call_id": "c1"}) == {}


@pytest.mark.parametrize(
    ("model", "blank"),
    [
        ("deepseek/deepseek-v4-flash", True),
        ("openrouter/deepseek/deepseek-v4-flash-0731", True),
        ("openai/deepseek-v4-pro", True),  # at a gateway
        ("openrouter/moonshotai/kimi-k3", True),
        ("openrouter/z-ai/glm-5.2:free", False),
        ("anthropic/claude-opus-5", False),
        ("together_ai/deepseek-ai/DeepSeek-V4", False),
    ],
)
def test_who_insists_on_thoughts_gets_a_blank_for_those_of_others(
    model: str, blank: bool
) -> None:
    reasoning = KeptReasoning()
    reasoning.keep(deployment("openrouter/z-ai/other"), calls("c1"), ALL)
    expected = {"reasoning_content": BLANK} if blank else {}

    own = deployment(model)

    assert reasoning.beside(own, message("c1")) == expected
    assert reasoning.beside(own, {"role": "assistant", "content": "hm"}) == expected


def test_an_id_that_begins_anew_is_told_apart_by_the_call() -> None:
    reasoning, own = KeptReasoning(), deployment("deepseek/deepseek-v4-flash")
    reasoning.keep(own, calls("call_0"), {"reasoning_content": "first"})
    (again,) = calls("call_0")
    again.function = SimpleNamespace(name="f", arguments='{"a": 1}')
    reasoning.keep(own, [again], {"reasoning_content": "second"})

    later = message("call_0", arguments='{"a": 1}')

    assert reasoning.beside(own, message("call_0")) == {"reasoning_content": "first"}
    assert reasoning.beside(own, later) == {"reasoning_content": "second"}


def test_what_was_said_beside_a_call_goes_to_everybody() -> None:
    reasoning = KeptReasoning()
    reasoning.keep(deployment("anthropic/claude-opus-5"), calls("c1"), ALL, "I look.")

    own = deployment("groq/openai/gpt-oss-120b")

    assert reasoning.beside(own, message("c1")) == {"content": "I look."}
    assert reasoning.beside(own, {**message("c1"), "content": "mine"}) == {}


def test_the_oldest_thoughts_are_forgotten() -> None:
    reasoning, own = KeptReasoning(), deployment("deepseek/deepseek-v4-flash")
    for number in range(KEPT + 1):
        reasoning.keep(own, calls(f"c{number}"), {"reasoning_content": f"{number}"})

    assert reasoning.beside(own, message("c0")) == {"reasoning_content": BLANK}
    assert reasoning.beside(own, message("c1")) == {"reasoning_content": "1"}


def test_thoughts_count_for_the_length_of_the_conversation() -> None:
    reasoning, own = KeptReasoning(), deployment("deepseek/deepseek-v4-flash")
    reasoning.keep(own, calls("c1"), {"reasoning_content": "x" * 500})

    conversation = [{"role": "user", "content": "hi"}, message("c1"), message("c9")]

    assert reasoning.characters(conversation) == 500


def chunk(**delta: Any) -> Any:
    return SimpleNamespace(choices=[SimpleNamespace(delta=SimpleNamespace(**delta))])


def test_pieces_of_one_thought_are_joined_in_a_stream() -> None:
    text = {"type": "reasoning.text", "index": 0}
    sealed = {"type": "reasoning.encrypted", "index": 1, "data": "ab"}
    chunks = [
        chunk(reasoning_details=[{**text, "text": "one ", "signature": None}]),
        SimpleNamespace(choices=[]),
        chunk(reasoning_details=[{**text, "text": "two", "signature": "s"}, sealed]),
        chunk(content="hello"),
        chunk(reasoning_details=[{**sealed, "data": "cd"}]),
    ]

    assert streamed(chunks) == {
        "reasoning_details": [
            {**text, "text": "one two", "signature": "s"},
            {**sealed, "data": "abcd"},
        ]
    }


def test_signed_blocks_are_joined_with_and_without_their_text() -> None:
    hidden = {"type": "redacted_thinking", "data": "zz"}
    chunks = [
        chunk(thinking_blocks=[{"type": "thinking", "thinking": "a", "signature": ""}]),
        chunk(thinking_blocks=[{"type": "thinking", "thinking": "b"}]),
        # litellm says the whole text once more.
        chunk(
            thinking_blocks=[{"type": "thinking", "thinking": "ab", "signature": "s1"}]
        ),
        chunk(thinking_blocks=[{"type": "thinking", "thinking": ""}]),
        chunk(thinking_blocks=[{"type": "thinking", "signature": "s2"}]),
        chunk(thinking_blocks=[hidden]),
    ]

    assert streamed(chunks) == {
        "thinking_blocks": [
            {"type": "thinking", "thinking": "ab", "signature": "s1"},
            {"type": "thinking", "thinking": "", "signature": "s2"},
            hidden,
        ]
    }
