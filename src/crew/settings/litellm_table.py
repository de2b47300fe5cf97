"""What litellm's own table knows about a model, read without importing litellm."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

_FILE = "model_prices_and_context_window_backup.json"
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What is known about a model; None is "not known".

    Prices are US dollars for one million tokens; sizes are in tokens. The provider
    retires the model on `deprecation_date`.
    """

    input_price: Decimal | None = None
    output_price: Decimal | None = None
    cached_input_price: Decimal | None = None
    cache_write_price: Decimal | None = None
    context_window: int | None = None
    max_output: int | None = None
    vision: bool | None = None
    tools: bool | None = None
    deprecation_date: date | None = None


NOTHING_KNOWN = ModelFacts()


def lookup(model_id: str) -> ModelFacts | None:
    """The facts about litellm's id of a model, or None when it is not listed.

    Some providers' models are listed without their prefix: `anthropic/claude-x` as
    `claude-x`. The first call reads the table (two megabytes).
    """
    table = _table()
    entry = table.get(model_id)
    if entry is None:
        prefix, _, bare = model_id.partition("/")
        entry = table.get(bare)
        # Another provider's model of the same name has another price.
        if entry is None or entry.get("litellm_provider") != prefix:
            return None
    return ModelFacts(
        input_price=_price(entry.get("input_cost_per_token")),
        output_price=_price(entry.get("output_cost_per_token")),
        cached_input_price=_price(entry.get("cache_read_input_token_cost")),
        # 0 stands there for providers that charge a write as any other input.
        cache_write_price=_price(entry.get("cache_creation_input_token_cost")) or None,
        context_window=_count(entry.get("max_input_tokens")),
        max_output=_count(entry.get("max_output_tokens")),
        vision=_flag(entry.get("supports_vision")),
        tools=_flag(entry.get("supports_function_calling")),
        deprecation_date=_date(entry.get("deprecation_date")),
    )


def successor(model_id: str, today: date) -> str | None:
    """The listed id of the same provider that is named most like a retired one and
    is not retired itself; a hint for a person, who should look it up."""
    prefix, _, bare = model_id.partition("/")
    names = [
        name.removeprefix(f"{prefix}/")
        for name, entry in _table().items()
        if entry.get("litellm_provider") == prefix
        and entry.get("mode") == "chat"
        and not _retired(entry, today)
        and name.removeprefix(f"{prefix}/") != bare
    ]
    found = get_close_matches(bare, names, n=1)
    return f"{prefix}/{found[0]}" if found else None


def likely_prefix(prefix: str) -> str | None:
    """The prefix that a misspelt one is close to; None where it is known, or like no
    other."""
    known = {str(entry.get("litellm_provider")) for entry in _table().values()}
    if prefix in known:
        return None
    found = get_close_matches(prefix, sorted(known), n=1, cutoff=0.85)
    return found[0] if found else None


def _retired(entry: Mapping[str, object], today: date) -> bool:
    retires = _date(entry.get("deprecation_date"))
    return retires is not None and retires <= today


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Mapping[str, object]]:
    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        return {}
    try:
        content = Path(spec.origin).with_name(_FILE).read_bytes()
    except FileNotFoundError:
        return {}
    table: dict[str, dict[str, object]] = json.loads(content)
    return table


def _price(value: object) -> Decimal | None:
    if not isinstance(value, int | float):
        return None
    return (Decimal(str(value)) * _MILLION).normalize()


def _count(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and value > 0 else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _date(value: object) -> date | None:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None
