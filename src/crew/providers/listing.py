"""What a provider's list of models says of each of them.

Every family has a shape of its own, and a reader in its own file. What is missing, or
of another type than it is documented, is not reported; nothing here raises.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import islice

from crew.providers.bodies import as_object, as_text
from crew.settings import Price

MOST_MODELS = 10_000
_LONGEST_ID = 200
MILLION = 1_000_000
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


def read_listing(read: Callable[[Entry], Listed], body: object) -> dict[str, Listed]:
    """The models in a list, by the provider's own ids. `read` knows the family's
    shape of an entry."""
    models: dict[str, Listed] = {}
    for entry in _entries(body):
        listed = read(entry)
        for name in _names(entry):
            models.setdefault(name, listed)
    return models


def is_whole(body: object) -> bool:
    """Whether the list is all there is: Anthropic, Gemini and OpenRouter have pages."""
    answer = as_object(body)
    more = answer.get("has_more") is True or bool(answer.get("nextPageToken"))
    return not more and not as_object(answer.get("links")).get("next")


def _entries(body: object) -> Iterator[Entry]:
    """Together's list is the body itself; Google and Ollama call it `models`."""
    answer = as_object(body)
    found = body if isinstance(body, list) else answer.get("data", answer.get("models"))
    if isinstance(found, list):
        yield from (as_object(one) for one in islice(found, MOST_MODELS))


def _names(entry: Entry) -> Iterator[str]:
    """What the model may be called by: its id, Mistral's aliases; Ollama takes
    `qwen3` for `qwen3:latest`."""
    name = as_text(entry.get("id", entry.get("name"))).removeprefix("models/")
    for one in (name, *(texts(entry.get("aliases")) or ())):
        if 0 < len(one) <= _LONGEST_ID:
            yield one
            if one.endswith(":latest"):
                yield one.removesuffix(":latest")


def nothing_listed(entry: Entry) -> Listed:
    """Of a family that lists the id, and nothing else to go by."""
    return Listed()


def texts(value: object) -> list[str] | None:
    """The texts of a list; None for what is no list."""
    if not isinstance(value, list):
        return None
    return [one for one in value if isinstance(one, str)]


def flag(value: object) -> bool | None:
    """The value if it is true or false."""
    return value if isinstance(value, bool) else None


def count(value: object) -> int | None:
    """The value if it is a number that a size may be."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if math.isfinite(value) and 0 < value < 10**12 else None


def model_id(value: object) -> str:
    """The value if it may be the id of a model, else nothing."""
    text = value if isinstance(value, str) else ""
    return text if len(text) <= _LONGEST_ID else ""


def price_per(per: int, sent: object, wrote: object) -> Price | None:
    """Both prices, given for `per` tokens."""
    prices = [_dollars(one, per) for one in (sent, wrote)]
    if prices[0] is None or prices[1] is None:
        return None
    return Price(input=prices[0], output=prices[1])


def _dollars(value: object, per: int) -> Decimal | None:
    """US dollars for a million tokens. OpenRouter's routers have -1: it depends."""
    try:
        price = Decimal(as_text(value)) * MILLION / per
    except ArithmeticError:
        return None
    return price if price.is_finite() and 0 <= price < _DEAREST else None


def day(value: object) -> date | None:
    """The day of a date or a moment, such as `2026-12-01T00:00:00Z`."""
    try:
        return date.fromisoformat(model_id(value)[:10])
    except ValueError:
        return None
