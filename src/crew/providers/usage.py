"""What a call took, read from the numbers that the provider sent.

Providers count alike and name it differently. OpenAI's `prompt_tokens` hold the tokens
from the cache, and so do DeepSeek's, Groq's, Gemini's and most others'; Anthropic's
`input_tokens` do not. Some count the reasoning beside the answer and some within. The
names are from the providers' API references, 2026-11.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from math import isfinite

from crew.providers.answer_end import events
from crew.providers.bodies import as_object, objects
from crew.providers.families.registry import family
from crew.quota.reported import MOST_USD, ReportedUsage, is_count

Numbers = Mapping[str, object]

_MARKS = (b'"usage', b"eval_count")
_TICKS = Decimal(10) ** 10


def read_usage(body: bytes) -> Numbers | None:
    """The numbers in an answer, whole or streamed; None where there are none. A stream
    counts on from event to event, and what it leaves open later stays."""
    found: dict[str, object] = {}
    for event in events(body, *_MARKS):
        for numbers in _in_event(event):
            for name, value in numbers.items():
                if value or name not in found:
                    found[name] = value
    return found or None


def counted(numbers: Numbers | None, family_name: str) -> ReportedUsage | None:
    """What a call took, by numbers of whatever family; None where they cannot be.
    Cached tokens that cannot be count as others."""
    if numbers is None:
        return None
    used = _of_any_shape(numbers)
    if used is None or not used.input_tokens:
        return None
    cached = used.cached_tokens
    uncounted = 0 if family(family_name).counts_cached_tokens else cached
    found = ReportedUsage(
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cached_tokens=cached,
        cache_write_tokens=used.cache_write_tokens,
        uncounted_tokens=uncounted,
        usd=_bill(numbers),
    )
    if found.is_possible:
        return found
    plain = ReportedUsage(
        input_tokens=found.input_tokens,
        output_tokens=found.output_tokens,
        usd=found.usd,
    )
    return plain if plain.is_possible else None


def _in_event(event: Mapping[str, object]) -> Iterator[Numbers]:
    """Where the numbers stand: beside the answer, in Anthropic's first event, in a
    field of Groq's own, in Moonshot's choices; Ollama's are among all else."""
    places: list[object] = [
        event.get("usage"),
        event.get("usageMetadata"),
        _first(as_object(event.get("message")).get("usage")),
        as_object(event.get("x_groq")).get("usage"),
        as_object(event.get("response")).get("usage"),
        *(choice.get("usage") for choice in objects(event.get("choices"))),
    ]
    if "eval_count" in event or "prompt_eval_count" in event:
        places.append(event)
    yield from (place for place in places if isinstance(place, dict))


def _first(usage: object) -> object:
    """Anthropic's first event counts an output that has only begun."""
    numbers = as_object(usage)
    return {n: value for n, value in numbers.items() if n != "output_tokens"}


def _of_any_shape(numbers: Numbers) -> ReportedUsage | None:
    if "promptTokenCount" in numbers:
        return _gemini(numbers)
    if "prompt_eval_count" in numbers:
        return _made(numbers.get("prompt_eval_count"), numbers.get("eval_count", 0))
    if "prompt_tokens" in numbers:
        return _openai(numbers)
    return _anthropic(numbers)


def _openai(numbers: Numbers) -> ReportedUsage | None:
    details = as_object(numbers.get("prompt_tokens_details"))
    cached = _most(
        details.get("cached_tokens"),
        numbers.get("cached_tokens"),  # Moonshot, Together
        numbers.get("num_cached_tokens"),  # Mistral
        numbers.get("prompt_cache_hit_tokens"),  # DeepSeek
        numbers.get("cache_read_input_tokens"),  # gateways to Anthropic
    )
    written = _most(
        details.get("cache_write_tokens"),
        details.get("cache_creation_tokens"),
        numbers.get("cache_creation_input_tokens"),
    )
    sent, wrote = numbers.get("prompt_tokens"), numbers.get("completion_tokens")
    reasoned = _most(
        as_object(numbers.get("completion_tokens_details")).get("reasoning_tokens"),
        numbers.get("reasoning_tokens"),
    )
    return _made(
        sent, _with(numbers.get("total_tokens"), sent, wrote, reasoned), cached, written
    )


def _anthropic(numbers: Numbers) -> ReportedUsage | None:
    cached = _most(numbers.get("cache_read_input_tokens"))
    written = _most(numbers.get("cache_creation_input_tokens"))
    sent = _count(numbers.get("input_tokens"))
    if sent is None:
        return None
    whole = sent + cached + written
    return _made(whole, numbers.get("output_tokens"), cached, written)


def _gemini(numbers: Numbers) -> ReportedUsage | None:
    sent = _count(numbers.get("promptTokenCount"))
    if sent is None:
        return None
    sent += _most(numbers.get("toolUsePromptTokenCount"))
    # Without a word of text there is no count of it.
    wrote = numbers.get("candidatesTokenCount", 0)
    reasoned = _most(numbers.get("thoughtsTokenCount"))
    total = numbers.get("totalTokenCount")
    within = _count(wrote) is not None and total == sent + (_count(wrote) or 0)
    if reasoned and not within and _count(wrote) is not None:
        wrote = (_count(wrote) or 0) + reasoned
    return _made(sent, wrote, _most(numbers.get("cachedContentTokenCount")))


def _with(total: object, sent: object, wrote: object, reasoned: int) -> object:
    """The output with the reasoning, where the total says that it stands beside it
    (xAI)."""
    first, second = _count(sent), _count(wrote)
    if first is None or second is None or not reasoned:
        return wrote
    beside = first + second + reasoned
    return second + reasoned if _count(total) == beside else second


def _made(
    sent: object, wrote: object, cached: int = 0, written: int = 0
) -> ReportedUsage | None:
    first, second = _count(sent), _count(wrote)
    if first is None or second is None:
        return None
    return ReportedUsage(
        input_tokens=first,
        output_tokens=second,
        cached_tokens=cached,
        cache_write_tokens=written,
    )


def _most(*values: object) -> int:
    """The largest of the counts that can be; 0 where there is none."""
    return max(_counts(values), default=0)


def _counts(values: Iterable[object]) -> Iterator[int]:
    for value in values:
        count = _count(value)
        if count is not None:
            yield count


def _count(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and is_count(value) else None


def _bill(numbers: Numbers) -> Decimal | None:
    """US dollars, where the provider names its price for this call: OpenRouter,
    Perplexity (by parts, with the sum), DeepInfra, xAI."""
    cost = numbers.get("cost")
    if isinstance(cost, dict):
        cost = cost.get("total_cost")
    found = _dollars(cost)
    if found is None:
        found = _dollars(numbers.get("estimated_cost"))
    ticks = _dollars(numbers.get("cost_in_usd_ticks"), _TICKS)
    if found is None:
        return ticks
    if numbers.get("is_byok") is True:
        # OpenRouter's is its fee then; the model's provider bills the rest.
        details = as_object(numbers.get("cost_details"))
        found += _dollars(details.get("upstream_inference_cost")) or 0
    return found


def _dollars(value: object, scale: Decimal = Decimal(1)) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not isfinite(value) or not 0 <= value <= MOST_USD * scale:
        return None
    return Decimal(str(value)) / scale
