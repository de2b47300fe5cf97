"""The ids of tool calls are unique in a conversation, at every family."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from building import deployment, provider
from crew.providers.prompt import Prompt, outgoing
from crew.providers.transport import complete
from crew.runs.rehearsal import rehearsing
from crew.settings.loader import load_settings

CONFIG = Path(__file__).parents[1] / "config"
FAMILIES = {
    "anthropic": r"[a-zA-Z0-9_-]{1,40}",
    "gemini": r".+",
    "groq": r"[a-zA-Z0-9_-]{1,40}",
    "mistral": r"[a-zA-Z0-9]{9}",
    "ollama_chat": r"[a-zA-Z0-9_-]{1,40}",
    "openai": r"[a-zA-Z0-9_-]{1,40}",
    "openrouter": r"[a-zA-Z0-9_-]{1,40}",
    "of_somebody_else": r"[a-zA-Z0-9_-]{1,40}",
}
IDS = (
    st.sampled_from(["call_0", "call_0_2", "call_1", "functions.read_file:0", "", "é"])
    | st.sampled_from(["call_0__thought__c2ln", "aB3dE6gH9", "x" * 64])
    | st.text(max_size=12)
)


def turn(*ids: str) -> list[dict[str, Any]]:
    """An answer with calls of these ids, and their results in order."""
    calls = [
        {
            "id": id,
            "type": "function",
            "function": {"name": "read_file", "arguments": f'{{"path": "{number}"}}'},
        }
        for number, id in enumerate(ids)
    ]
    results = [
        {"role": "tool", "tool_call_id": id, "content": f"result {number}"}
        for number, id in enumerate(ids)
    ]
    return [{"role": "assistant", "content": None, "tool_calls": calls}, *results]


def sent(family: str, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    asked = deployment("m", provider("p"), model=f"{family}/m")
    return outgoing(asked, Prompt(messages=messages))


@pytest.mark.parametrize("family", FAMILIES)
@given(turns=st.lists(st.lists(IDS, min_size=1, max_size=3), max_size=4))
def test_each_call_has_an_id_of_its_own_and_its_result_names_it(
    family: str, turns: list[list[str]]
) -> None:
    messages = [message for ids in turns for message in turn(*ids)]

    found = sent(family, messages)

    made = [call["id"] for m in found for call in m.get("tool_calls") or ()]
    named = [m["tool_call_id"] for m in found if m["role"] == "tool"]
    assert len(set(made)) == len(made)
    assert made == named
    assert all(re.fullmatch(FAMILIES[family], id, re.DOTALL) for id in made)


@pytest.mark.parametrize("family", FAMILIES)
@given(turns=st.lists(st.lists(IDS, min_size=1, max_size=3), min_size=1, max_size=3))
def test_a_longer_conversation_begins_with_the_same_bytes(
    family: str, turns: list[list[str]]
) -> None:
    messages = [message for ids in turns for message in turn(*ids)]

    longer = sent(family, [*messages, *turn("call_0")])

    assert longer[: len(messages)] == sent(family, messages)


def test_gemini_gets_its_signature_back_and_nobody_else() -> None:
    messages = turn("call_0__thought__c2ln")

    ids = [
        sent(family, messages)[0]["tool_calls"][0]["id"]
        for family in ("gemini", "openai", "anthropic")
    ]

    assert ids == ["call_0__thought__c2ln", "call_0", "call_0"]


@pytest.mark.parametrize("deployed", ["claude-sonnet", "mistral", "gemini-flash"])
def test_after_a_swap_the_provider_takes_ids_that_began_anew(deployed: str) -> None:
    user = {"role": "user", "content": "Read both files."}
    messages = [user, *turn("call_0"), *turn("call_0"), *turn("call_1", "call_1")]
    read = {
        "name": "read_file",
        "description": "Read a file.",
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}}},
    }
    tools = [{"type": "function", "function": read}]

    with rehearsing(load_settings(CONFIG, environ={})) as rehearsed:
        asked = next(d for n, d in rehearsed.deployments.items() if deployed in n)
        answer = complete(asked, Prompt(messages=messages, tools=tools))

    assert answer.text or answer.tool_calls
