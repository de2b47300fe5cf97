"""What litellm's own table knows about a model, read without importing litellm."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from json import JSONDecoder
from pathlib import Path

_FILE = "model_prices_and_context_window_backup.json"
_MILLION = 1_000_000
_BEGIN = '{\n    "'
_ENTRY = re.compile(r'\n {0,4}"([^"\\\n]+)": (?=\{)')
_END = "\n    }"
"""How a table begins that is indented by four, as litellm's is but for a slip or two,
and each of its entries."""
_CHATS = frozenset({"/v1/chat/completions", "/v1/messages"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What is known about a model; None is "not known".

    Prices are US dollars for one million tokens; sizes are in tokens. The provider
    retires the model on `deprecation_date`, and names `successor` (litellm's id) in its
    place. `chats` is False for what makes no chat completions. `source` is the page
    that the table names for this.
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
    successor: str = ""
    chats: bool = True
    source: str = ""


NOTHING_KNOWN = ModelFacts()


def lookup(model_id: str) -> ModelFacts | None:
    """The facts about litellm's id of a model, or None when it is not listed.

    Some providers' models are listed without their prefix: `anthropic/claude-x` as
    `claude-x`. The first call reads the table (three megabytes).
    """
    table = _table()
    entry = table.get(model_id)
    if entry is None:
        prefix, _, bare = model_id.partition("/")
        entry = table.get(bare)
        # Another provider's model of the same name has another price.
        if entry is None or entry.get("litellm_provider") != prefix:
            return None
    return _facts(entry)


def chat_models(prefix: str) -> dict[str, ModelFacts]:
    """The facts about each chat model that is listed for a provider, by litellm's id
    with its prefix."""
    return {
        f"{prefix}/{name.removeprefix(f'{prefix}/')}": facts
        for name, entry in _table().items()
        if entry.get("litellm_provider") == prefix
        and (facts := _facts(entry)).chats
        # A fine-tuned model is somebody's own, and a path is an offer of another kind.
        and not name.startswith("ft:")
    }


def table_version() -> str:
    """The version of litellm that the table came with."""
    try:
        return version("litellm")
    except PackageNotFoundError:
        return "?"


def _facts(entry: Mapping[str, object]) -> ModelFacts:
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
        successor=_successor(entry),
        chats=_chats(entry),
        source=_text(entry.get("deprecation_source")) or _text(entry.get("source")),
    )


def _successor(entry: Mapping[str, object]) -> str:
    name, prefix = _text(entry.get("successor_model")), entry.get("litellm_provider")
    return f"{prefix}/{name.removeprefix(f'{prefix}/')}" if name else ""


def _chats(entry: Mapping[str, object]) -> bool:
    writes, at = (
        entry.get(f"supported_{name}") for name in ("output_modalities", "endpoints")
    )
    texts = not isinstance(writes, list) or "text" in writes
    reached = not isinstance(at, list) or not _CHATS.isdisjoint(map(str, at))
    return texts and reached and entry.get("mode") in ("chat", None)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def likely_prefix(prefix: str) -> str | None:
    """The prefix that a misspelt one is close to; None where it is known, or like no
    other."""
    known = {str(entry.get("litellm_provider")) for entry in _table().values()}
    if prefix in known:
        return None
    found = get_close_matches(prefix, sorted(known), n=1, cutoff=0.85)
    return found[0] if found else None


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Mapping[str, object]]:
    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        return {}
    try:
        content = Path(spec.origin).with_name(_FILE).read_bytes()
    except FileNotFoundError:
        return {}
    return Table(content.decode())


class Table(Mapping[str, Mapping[str, object]]):
    """The table, of which only the entries that somebody asks for are parsed: all of
    it takes longer than the rest of a configuration."""

    def __init__(self, content: str) -> None:
        self._content = content
        self._decoder = JSONDecoder()
        self._places: dict[str, int] = {}
        self._parsed: dict[str, Mapping[str, object]] = {}
        if content.startswith(_BEGIN):
            found = _ENTRY.finditer(content)
            self._places = {one[1]: one.end() for one in found}
        if not 0 < len(self._places) == content.count(_END):  # of another form
            self._parsed = json.loads(content)
            self._places = dict.fromkeys(self._parsed, 0)

    def __getitem__(self, name: str) -> Mapping[str, object]:
        at = self._places[name]
        if name not in self._parsed:
            self._parsed[name], _ = self._decoder.raw_decode(self._content, at)
        return self._parsed[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


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
