"""What the lists of models say, in each family's own shape."""

import json
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew.providers.families.ollama import with_details
from crew.providers.families.registry import family as family_of
from crew.providers.listing import Listed, is_whole
from crew.providers.listing import read_listing as read
from crew.settings import Price


def read_listing(family: str, body: object) -> dict[str, Listed]:
    return read(family_of(family).reads_entry, body)


def only(family: str, **entry: object) -> Listed:
    (found,) = read_listing(family, {"data": [{"id": "m", **entry}]}).values()
    return found


def test_openrouter_tells_abilities_sizes_prices_and_an_end() -> None:
    found = only(
        "openrouter",
        architecture={"input_modalities": ["text", "image"]},
        supported_parameters=["max_tokens", "tools"],
        context_length=262_144,
        top_provider={"max_completion_tokens": 32_768},
        pricing={"prompt": "0.000000065", "completion": "0.00000018", "image": "0"},
        expiration_date="2026-12-31",
    )

    assert found == Listed(
        vision=True,
        tools=True,
        context_window=262_144,
        max_output=32_768,
        price=Price(input=Decimal("0.065"), output=Decimal("0.18")),
        retires=date(2026, 12, 31),
    )


def test_openrouters_lists_without_a_word_mean_no() -> None:
    found = only(
        "openrouter",
        architecture={"input_modalities": ["text"]},
        supported_parameters=["max_tokens"],
    )

    assert (found.vision, found.tools) == (False, False)


def test_anthropic_tells_sight_sizes_and_where_a_model_is_in_its_life() -> None:
    found = only(
        "anthropic",
        capabilities={"image_input": {"supported": False}},
        max_input_tokens=200_000,
        max_tokens=64_000,
        lifecycle="deprecated",
        retires_at="2027-01-15T00:00:00Z",
    )

    assert found == Listed(
        vision=False,
        context_window=200_000,
        max_output=64_000,
        retires=date(2027, 1, 15),
    )
    assert only("anthropic", lifecycle="retired").unusable == "retired"


def test_mistral_tells_abilities_an_heir_and_aliases() -> None:
    entry = {
        "id": "mistral-small-2506",
        "aliases": ["mistral-small-latest", 7],
        "capabilities": {"vision": True, "function_calling": False},
        "max_context_length": 131_072,
        "deprecation": "2026-12-01T12:00:00Z",
        "deprecation_replacement_model": "mistral-small-2603",
    }

    found = read_listing("mistral", {"data": [entry]})

    assert list(found) == ["mistral-small-2506", "mistral-small-latest"]
    assert found["mistral-small-latest"] == Listed(
        vision=True,
        tools=False,
        context_window=131_072,
        retires=date(2026, 12, 1),
        successor="mistral-small-2603",
    )
    assert only("mistral", capabilities={"completion_chat": False}).unusable


def test_gemini_tells_sizes_and_what_is_not_for_chat() -> None:
    body = {
        "models": [
            {
                "name": "models/gemini-x",
                "inputTokenLimit": 1_048_576,
                "outputTokenLimit": 65_536,
                "supportedGenerationMethods": ["generateContent"],
            },
            {
                "name": "models/embedding",
                "supportedGenerationMethods": ["embedContent"],
            },
        ]
    }

    found = read_listing("gemini", body)

    assert found == {
        "gemini-x": Listed(context_window=1_048_576, max_output=65_536),
        "embedding": Listed(unusable="not for chat"),
    }


def test_groq_tells_sizes_and_what_is_not_active() -> None:
    found = only("groq", context_window=8_192, max_completion_tokens=4_096, active=True)

    assert found == Listed(context_window=8_192, max_output=4_096)
    assert only("groq", active=False).unusable == "not active"


def test_together_lists_at_the_top_and_tells_prices_for_a_million() -> None:
    sold = {"type": "chat", "pricing": {"input": 0.15, "output": 0.6}}
    body = [
        {"id": "sold", "context_length": 131_072, **sold},
        {"id": "unsold", "type": "chat", "pricing": {"input": 0, "output": 0}},
        {"id": "painter", "type": "image"},
    ]

    found = read_listing("together_ai", body)

    assert found == {
        "sold": Listed(
            context_window=131_072,
            price=Price(input=Decimal("0.15"), output=Decimal("0.6")),
        ),
        "unsold": Listed(),
        "painter": Listed(unusable="not for chat"),
    }


def test_ollama_lists_names_and_shows_the_rest() -> None:
    listed = read_listing("ollama", {"models": [{"name": "qwen3:latest"}]})
    shown = {
        "capabilities": ["completion", "tools"],
        "model_info": {"qwen3.context_length": 40_960, "qwen3.block_count": 36},
    }

    assert list(listed) == ["qwen3:latest", "qwen3"]
    assert with_details(listed["qwen3"], shown) == Listed(
        vision=False, tools=True, context_window=40_960
    )
    assert with_details(Listed(), {"error": "no such model"}) == Listed()


@pytest.mark.parametrize("family", ["moonshot", "deepseek", "nvidia_nim"])
def test_who_lists_ids_only_says_nothing_else(family: str) -> None:
    assert only(family, context_length=1, pricing={"prompt": "1"}) == Listed()


@pytest.mark.parametrize(
    ("body", "whole"),
    [
        ({"data": [], "has_more": True}, False),
        ({"models": [], "nextPageToken": "x"}, False),
        ({"data": [], "links": {"next": "/api/v1/models?offset=500"}}, False),
        ({"data": [], "has_more": False, "links": {"next": None}}, True),
        ([], True),
    ],
)
def test_a_page_is_not_the_whole_list(body: object, whole: bool) -> None:
    assert is_whole(body) is whole


FAMILIES = (
    "anthropic",
    "gemini",
    "groq",
    "mistral",
    "ollama",
    "openai",
    "openrouter",
    "together_ai",
)
WORDS = st.sampled_from(
    [
        "id",
        "name",
        "data",
        "models",
        "aliases",
        "capabilities",
        "image_input",
        "supported",
        "vision",
        "type",
        "pricing",
        "prompt",
        "completion",
        "input",
        "output",
        "context_length",
        "architecture",
        "input_modalities",
        "supported_parameters",
        "expiration_date",
        "deprecation",
        "active",
        "top_provider",
        "links",
        "next",
        "supportedGenerationMethods",
        "inputTokenLimit",
        "model_info",
        "x.context_length",
    ]
)
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "NaN", "sNaN", "1e999999999", "-1", "2026-13-40", "\ud800"])
    | st.text(max_size=5),
    lambda one: (
        st.lists(one, max_size=4) | st.dictionaries(WORDS | st.text(), one, max_size=6)
    ),
    max_leaves=25,
)


@given(body=ODD)
def test_no_body_whatever_its_shape_raises(body: object) -> None:
    for family in FAMILIES:
        for found in read_listing(family, body).values():
            price = found.price or Price(input=Decimal(0), output=Decimal(0))
            assert 0 <= price.input < 10**6
            with_details(found, body)
    is_whole(body)


def test_a_list_is_cut_to_a_sane_length() -> None:
    body = {"data": [{"id": f"m{number}"} for number in range(12_000)]}

    assert len(read_listing("openai", body)) == 10_000
    assert read_listing("openai", {"data": [{"id": "x" * 201}]}) == {}
    assert json.loads("1e400") == float("inf")
    assert only("groq", context_window=json.loads("1e400")).context_window is None
