"""What a provider's list of models says of each of them.

Every family has a shape of its own. What is missing, or of another type than it is
documented, is not said; nothing here raises. Sources, as of 2026-11: the types of the
official clients anthropic 2.14, mistralai 3.7, google-genai 3.6 and ollama 0.6;
openrouter.ai/docs/models, ai.google.dev/api/models, console.groq.com/docs/models,
docs.together.ai/reference/models and docs.ollama.com/api. OpenAI and DeepSeek
(api-docs.deepseek.com/api/list-models) tell ids only.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import islice

from crew.providers.bodies import as_object, as_text
from crew.settings import Price

MOST_MODELS = 10_000
_LONGEST_ID = 200
_MILLION = 1_000_000
_DEAREST = Decimal(1_000_000)
"""US dollars for a million tokens past which a number is no price."""

Entry = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One model as its provider lists it; None is "it does not say".

    Sizes are in tokens. It is retired on `retires`; `successor` is the id that the
    provider names then. `unusable` says why no chat goes there at all.
    """

    vision: bool | None = None
    tools: bool | None = None
    context_window: int | None = None
    max_output: int | None = None
    price: Price | None = None
    retires: date | None = None
    successor: str = ""
    unusable: str = ""


def read_listing(family: str, body: object) -> dict[str, Listed]:
    """The models in a list, by the provider's own ids."""
    read = _READERS.get(family, _plain)
    models: dict[str, Listed] = {}
    for entry in _entries(body):
        listed = read(entry)
        for name in _names(entry):
            models.setdefault(name, listed)
    return models


def is_whole(body: object) -> bool:
    """Whether the list is all there is: Anthropic, Gemini and OpenRouter have pages."""
    said = as_object(body)
    more = said.get("has_more") is True or bool(said.get("nextPageToken"))
    return not more and not as_object(said.get("links")).get("next")


def with_details(listed: Listed, shown: object) -> Listed:
    """The model with what Ollama's /api/show adds; its list tells names only."""
    said = as_object(shown)
    sizes = (
        _count(value)
        for key, value in as_object(said.get("model_info")).items()
        if key.endswith(".context_length")
    )
    able = _texts(said.get("capabilities"))
    return replace(
        listed,
        vision=None if able is None else "vision" in able,
        tools=None if able is None else "tools" in able,
        context_window=next(sizes, None),
    )


def _entries(body: object) -> Iterator[Entry]:
    """Together's list is the body itself; Google and Ollama call it `models`."""
    said = as_object(body)
    found = body if isinstance(body, list) else said.get("data", said.get("models"))
    if isinstance(found, list):
        yield from (as_object(one) for one in islice(found, MOST_MODELS))


def _names(entry: Entry) -> Iterator[str]:
    """What the model may be called by: its id, Mistral's aliases; Ollama takes
    `qwen3` for `qwen3:latest`."""
    name = as_text(entry.get("id", entry.get("name"))).removeprefix("models/")
    for one in (name, *(_texts(entry.get("aliases")) or ())):
        if 0 < len(one) <= _LONGEST_ID:
            yield one
            if one.endswith(":latest"):
                yield one.removesuffix(":latest")


def _plain(entry: Entry) -> Listed:
    """OpenAI, DeepSeek, and gateways: they tell the id, and nothing else to go by."""
    return Listed()


def _anthropic(entry: Entry) -> Listed:
    able = as_object(entry.get("capabilities"))
    retired = entry.get("lifecycle") == "retired"
    return Listed(
        vision=_flag(as_object(able.get("image_input")).get("supported")),
        context_window=_count(entry.get("max_input_tokens")),
        max_output=_count(entry.get("max_tokens")),
        retires=_date(entry.get("retires_at")),
        unusable="retired" if retired else "",
    )


def _openrouter(entry: Entry) -> Listed:
    sees = _texts(as_object(entry.get("architecture")).get("input_modalities"))
    takes = _texts(entry.get("supported_parameters"))
    pricing = as_object(entry.get("pricing"))
    return Listed(
        vision=None if sees is None else "image" in sees,
        tools=None if takes is None else "tools" in takes,
        context_window=_count(entry.get("context_length")),
        max_output=_count(
            as_object(entry.get("top_provider")).get("max_completion_tokens")
        ),
        # Dollars for one token, as text.
        price=_price(pricing.get("prompt"), pricing.get("completion"), per=1),
        retires=_date(entry.get("expiration_date")),
    )


def _mistral(entry: Entry) -> Listed:
    able = as_object(entry.get("capabilities"))
    chats = able.get("completion_chat") is not False
    return Listed(
        vision=_flag(able.get("vision")),
        tools=_flag(able.get("function_calling")),
        context_window=_count(entry.get("max_context_length")),
        retires=_date(entry.get("deprecation")),
        successor=_id(entry.get("deprecation_replacement_model")),
        unusable="" if chats else "not for chat",
    )


def _gemini(entry: Entry) -> Listed:
    methods = _texts(entry.get("supportedGenerationMethods"))
    chats = methods is None or "generateContent" in methods
    return Listed(
        context_window=_count(entry.get("inputTokenLimit")),
        max_output=_count(entry.get("outputTokenLimit")),
        unusable="" if chats else "not for chat",
    )


def _groq(entry: Entry) -> Listed:
    return Listed(
        context_window=_count(entry.get("context_window")),
        max_output=_count(entry.get("max_completion_tokens")),
        unusable="not active" if entry.get("active") is False else "",
    )


_NO_CHAT = {
    "audio",
    "embedding",
    "image",
    "moderation",
    "rerank",
    "transcribe",
    "video",
}


def _together(entry: Entry) -> Listed:
    pricing = as_object(entry.get("pricing"))
    # Dollars for a million tokens; zeros stand for what is not sold by the token.
    price = _price(pricing.get("input"), pricing.get("output"), per=_MILLION)
    kind = as_text(entry.get("type"))
    return Listed(
        context_window=_count(entry.get("context_length")),
        price=price if price and (price.input or price.output) else None,
        unusable="not for chat" if kind in _NO_CHAT else "",
    )


_READERS: Mapping[str, Callable[[Entry], Listed]] = {
    "anthropic": _anthropic,
    "gemini": _gemini,
    "groq": _groq,
    "mistral": _mistral,
    "openrouter": _openrouter,
    "together_ai": _together,
}


def _texts(value: object) -> list[str] | None:
    """The texts of a list; None for what is no list."""
    if not isinstance(value, list):
        return None
    return [one for one in value if isinstance(one, str)]


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if math.isfinite(value) and 0 < value < 10**12 else None


def _id(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return text if len(text) <= _LONGEST_ID else ""


def _price(sent: object, wrote: object, *, per: int) -> Price | None:
    """Both prices, told for `per` tokens."""
    prices = [_dollars(one, per) for one in (sent, wrote)]
    if prices[0] is None or prices[1] is None:
        return None
    return Price(input=prices[0], output=prices[1])


def _dollars(value: object, per: int) -> Decimal | None:
    """US dollars for a million tokens. OpenRouter's routers have -1: it depends."""
    try:
        price = Decimal(as_text(value)) * _MILLION / per
    except ArithmeticError:
        return None
    return price if price.is_finite() and 0 <= price < _DEAREST else None


def _date(value: object) -> date | None:
    """The day of a date or a moment, such as `2026-12-01T00:00:00Z`."""
    try:
        return date.fromisoformat(_id(value)[:10])
    except ValueError:
        return None
