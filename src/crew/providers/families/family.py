"""A family of providers: whoever speaks one dialect, by litellm's prefix of its ids."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from crew.providers.bodies import Body
from crew.providers.headers import HeaderReader
from crew.providers.listing import Entry, Listed, nothing_listed
from crew.providers.refusals import LimitHit
from crew.providers.rules import Meaning
from crew.quota.reported import ReportedLimit

_PLAIN_ID = re.compile(r"[a-zA-Z0-9_-]{1,40}")


def bearer(key: str) -> dict[str, str]:
    """The key as OpenAI takes it."""
    return {"authorization": f"Bearer {key}"} if key else {}


def plain_call_id(call_id: str) -> str:
    """An id that everybody takes: Anthropic wants these letters (its error names the
    pattern), OpenAI at most 40 of them."""
    if _PLAIN_ID.fullmatch(call_id):
        return call_id
    return "call_" + hashlib.sha256(call_id.encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is known of the account behind a key. `bought` is credit in US dollars, at
    least; `reported` are limits that all free models share."""

    bought: Decimal | None = None
    reported: tuple[ReportedLimit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """A question for each model, where the list has its name alone. `adds` puts the
    answer to what was listed."""

    path: str
    adds: Callable[[Listed, object], Listed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What one family wants and reports. A family that is named and no more speaks as
    OpenAI does, reports no limits of its own and lists its models by id alone."""

    name: str
    """litellm's prefix."""
    base_url: str | None = None
    """Where litellm sends its calls when the YAML names no `base_url`. litellm adds
    `v1` of itself for Anthropic, whatever the base, and for nobody else."""
    call_path: str = ""
    """What stands between the base and the path of a call, and not of its list."""
    key_headers: Callable[[str], Mapping[str, str]] = bearer
    chat_completions: bool = True
    """Whether its calls go to `/chat/completions`."""

    # What it wants of a conversation.
    parameters: tuple[str, ...] = ()
    """Parameters of OpenAI's that it takes and that litellm would leave out."""
    bounds_output: bool = False
    """Whether it counts the most that an answer may be before it begins."""
    call_id: Callable[[str], str] = plain_call_id
    """The id of a tool call as it takes it."""
    signs_calls: bool = False
    """Whether litellm keeps a signature behind the ids of its calls."""
    reasoning_fields: tuple[str, ...] = ()
    """The fields of an assistant's message that it takes back."""
    passes_reasoning_on: bool = False
    """Whether reasoning reaches the model where its maker demands it."""

    cache_marks: str = ""
    """Where it takes such marks: `everywhere`, in `messages` alone, or nowhere."""

    # What the models want that it made, wherever they are served.
    makes: tuple[str, ...] = ()
    """What the ids of such models hold, in lower case."""
    bridges_results: bool = False
    """Whether they refuse a message of the user right after the result of a tool."""
    caches_by_marks: bool = False
    """Whether they cache only a prefix that is marked."""
    demands_reasoning: bool = False
    """Whether they refuse a tool call without the reasoning before it."""

    # What it reports.
    reads_headers: HeaderReader | None = None
    """What its headers say of its limits; None: their names decide."""
    header_signs: tuple[str, ...] = ()
    """Headers that it alone sends, whatever gateway they come through."""
    reads_refusal: Callable[[Body, float | None], LimitHit | None] | None = None
    """What a refusal says of the limit; None for a body of another shape."""
    words: Mapping[Meaning, tuple[str, ...]] = field(default_factory=dict)
    """Its own words for a failure, in lower case; a gateway may pass them on."""

    advice: Mapping[str, str] = field(default_factory=dict)
    """What to do, by one of its words: our own sentence."""
    advises: Callable[[Body], str] = lambda body: ""
    """The same, where the sentence has a part of the provider's."""
    counts_cached_tokens: bool = True
    """Whether tokens read from its cache count against its limits."""

    # Its list of models, and the account.
    list_path: str = "models"
    list_query: Mapping[str, str] = field(default_factory=dict)
    """What asks for the largest page, where the list comes in pages."""
    reads_entry: Callable[[Entry], Listed] = nothing_listed
    details: Details | None = None
    variants: tuple[str, ...] = ()
    """What may stand behind any id and is not listed."""
    open_list: bool = False
    """Whether the list comes with any key, so that it says nothing of the key."""
    account_path: str = ""
    """Where only a good key is answered, for nothing."""
    reads_account: Callable[[object], Account] | None = None
