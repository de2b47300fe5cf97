"""What a call cost, booked from the usage that each family reports.

The bodies have the shapes of recorded answers; each bill is computed by hand from the
provider's own price list.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from building import deployment, provider, role, settings
from crew.calls.llm import TieredLLM
from crew.calls.run import Run
from crew.clock import SystemClock
from crew.errors import BadAnswer
from crew.guard import Lease, QuotaGuard
from crew.journal import Journal
from crew.providers.answer import Answer
from crew.providers.prompt import Prompt
from crew.providers.transport import complete
from crew.providers.usage import counted
from crew.quota.reported import ReportedUsage
from crew.quota.stores.memory import MemoryStore
from crew.routing import Request
from crew.settings import Deployment, Price
from scripted import Scripted, serving

SAID = "hello"
PROMPTED = Prompt(messages=[{"role": "user", "content": "Say hello."}])
STREAM = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])


def price(*dollars: str) -> Price:
    """Input, output, cached input, cache write, for a million tokens."""
    names = ("input", "output", "cached_input", "cache_write")
    found = {n: Decimal(d) for n, d in zip(names, dollars, strict=False)}
    return Price(**found)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Case:
    """`usage` as the provider words it; `bill` in dollars; `took` is the input, the
    output, and of the input what was read from the cache and written to it."""

    name: str
    model: str
    usage: Mapping[str, Any]
    price: Price
    bill: str
    took: tuple[int, int, int, int]
    place: str = "usage"


CASES = [
    Case(
        name="DeepSeek",
        model="deepseek/deepseek-v4-flash",
        usage={
            "prompt_tokens": 31_000,
            "completion_tokens": 100,
            "total_tokens": 31_100,
            "prompt_tokens_details": {"cached_tokens": 30_720},
            "prompt_cache_hit_tokens": 30_720,
            "prompt_cache_miss_tokens": 280,
        },
        price=price("0.44", "1.32", "0.014"),
        bill="0.00068528",
        took=(31_000, 100, 30_720, 0),
    ),
    Case(
        name="OpenAI",
        model="openai/gpt-5.6",
        usage={
            "prompt_tokens": 31_000,
            "completion_tokens": 100,
            "total_tokens": 31_100,
            "prompt_tokens_details": {"cached_tokens": 30_720, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 64},
        },
        price=price("4", "20", "0.4", "5"),
        bill="0.015408",
        took=(31_000, 100, 30_720, 0),
    ),
    Case(
        name="OpenAI that writes",
        model="openai/gpt-5.6",
        usage={
            "prompt_tokens": 3_000,
            "completion_tokens": 10,
            "total_tokens": 3_010,
            "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 2_000},
        },
        price=price("4", "20", "0.4", "5"),
        bill="0.0142",
        took=(3_000, 10, 0, 2_000),
    ),
    Case(
        name="Anthropic",
        model="anthropic/claude-sonnet-5",
        usage={
            "input_tokens": 50,
            "cache_creation_input_tokens": 4_000,
            "cache_read_input_tokens": 90_000,
            "cache_creation": {
                "ephemeral_5m_input_tokens": 4_000,
                "ephemeral_1h_input_tokens": 0,
            },
            "output_tokens": 20,
            "service_tier": "standard",
        },
        price=price("2", "10", "0.2", "2.5"),
        # 50 * 2 + 90,000 * 0.2 + 4,000 * 2.5 + 20 * 10 = 28,300
        bill="0.0283",
        took=(94_050, 20, 90_000, 4_000),
    ),
    Case(
        name="Gemini that thinks",
        model="gemini/gemini-3.8-flash",
        usage={
            "promptTokenCount": 12_000,
            "candidatesTokenCount": 40,
            "thoughtsTokenCount": 360,
            "cachedContentTokenCount": 10_000,
            "totalTokenCount": 12_400,
        },
        price=price("0.75", "3.75", "0.075"),
        bill="0.00375",
        took=(12_000, 400, 10_000, 0),
        place="usageMetadata",
    ),
    Case(
        name="Groq",
        model="groq/openai/gpt-oss-120b",
        usage={
            "queue_time": 0.03,
            "prompt_tokens": 4_641,
            "prompt_time": 0.01,
            "completion_tokens": 1_817,
            "completion_time": 2.1,
            "total_tokens": 6_458,
            "total_time": 2.2,
            "prompt_tokens_details": {"cached_tokens": 4_608},
        },
        price=price("0.15", "0.6", "0.075"),
        bill="0.00144075",
        took=(4_641, 1_817, 4_608, 0),
    ),
    Case(
        name="OpenRouter",
        model="openrouter/anthropic/claude-sonnet-5",
        usage={
            "prompt_tokens": 10_000,
            "completion_tokens": 50,
            "total_tokens": 10_050,
            "cost": 0.00055,
            "is_byok": False,
            "prompt_tokens_details": {"cached_tokens": 9_000, "cache_write_tokens": 0},
            "cost_details": {"upstream_inference_cost": 0.00055},
        },
        price=price("2", "10"),
        bill="0.00055",
        took=(10_000, 50, 9_000, 0),
    ),
    Case(
        name="OpenRouter that costs more than its list",
        model="openrouter/some/model",
        usage={
            "prompt_tokens": 1_000,
            "completion_tokens": 10,
            "total_tokens": 1_010,
            "cost": 0.0245,
        },
        price=price("0.2", "0.5"),
        bill="0.0245",
        took=(1_000, 10, 0, 0),
    ),
    Case(
        name="OpenRouter with a key of one's own",
        model="openrouter/some/model",
        usage={
            "prompt_tokens": 1_000,
            "completion_tokens": 10,
            "total_tokens": 1_010,
            "cost": 0.0005,
            "is_byok": True,
            "cost_details": {"upstream_inference_cost": 0.01},
        },
        price=price("0.2", "0.5"),
        bill="0.0105",
        took=(1_000, 10, 0, 0),
    ),
    Case(
        name="Mistral",
        model="mistral/mistral-small-latest",
        usage={
            "prompt_tokens": 2_000,
            "completion_tokens": 100,
            "total_tokens": 2_100,
            "num_cached_tokens": 1_024,
        },
        price=price("0.15", "0.6", "0.015"),
        bill="0.00022176",
        took=(2_000, 100, 1_024, 0),
    ),
    Case(
        name="Moonshot",
        model="moonshot/kimi-k2.5",
        usage={
            "prompt_tokens": 8_000,
            "completion_tokens": 200,
            "total_tokens": 8_200,
            "cached_tokens": 7_680,
        },
        price=price("0.6", "3", "0.1"),
        bill="0.00156",
        took=(8_000, 200, 7_680, 0),
    ),
    Case(
        name="xAI, whose reasoning stands beside the answer",
        model="xai/grok-5",
        usage={
            "prompt_tokens": 1_000,
            "completion_tokens": 10,
            "total_tokens": 1_510,
            "prompt_tokens_details": {"cached_tokens": 800},
            "completion_tokens_details": {"reasoning_tokens": 500},
        },
        price=price("3", "15", "0.75"),
        bill="0.00885",
        took=(1_000, 510, 800, 0),
    ),
    Case(
        name="a gateway that names Anthropic's cache as Anthropic does",
        model="litellm_proxy/claude-sonnet",
        usage={
            "prompt_tokens": 94_050,
            "completion_tokens": 20,
            "total_tokens": 94_070,
            "cache_creation_input_tokens": 4_000,
            "cache_read_input_tokens": 90_000,
        },
        price=price("2", "10", "0.2", "2.5"),
        bill="0.0283",
        took=(94_050, 20, 90_000, 4_000),
    ),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Scripted]:
    with serving() as script:
        yield script


def slot_of(server: Scripted, case: Case, *limits: str) -> Deployment:
    name = case.model.partition("/")[0]
    plain = name in ("anthropic", "gemini")
    url = server.url.removesuffix("/v1") if plain else server.url
    by = provider(name, *limits, base_url=url)
    return deployment("slot", by, model=case.model, price=case.price)


def leased(
    server: Scripted, case: Case, tmp_path: Path, *limits: str
) -> tuple[Lease, QuotaGuard]:
    config = settings([slot_of(server, case, *limits)], tmp_path)
    guard = QuotaGuard(config, MemoryStore(SystemClock()), SystemClock())
    request = Request(tier="mid", input_tokens=10, output_tokens=10)
    return guard.begin(request).acquire(), guard


def lease_of(server: Scripted, case: Case, tmp_path: Path) -> Lease:
    return leased(server, case, tmp_path)[0]


def answered(
    server: Scripted, lease: Lease, case: Case, usage: object, streamed: bool
) -> Answer:
    frames = list(frames_of(case, usage)) if streamed else [whole_of(case, usage)]
    named = "event: {type}\n" if case.model.startswith("anthropic") else ""
    if streamed:
        lines = [f"{named.format(**f)}data: {json.dumps(f)}\n\n" for f in frames]
        end = "data: [DONE]\n\n" if "choices" in frames[0] else ""
        body, kind = "".join(lines) + end, "text/event-stream"
    else:
        body, kind = json.dumps(frames[0]), "application/json"
    server.headers, server.canned = {"content-type": kind}, (200, body)
    return complete(lease.deployment, PROMPTED, _ignore if streamed else None, now=0.0)


def _ignore(chunk: object) -> None:
    """A listener that does not listen."""


def whole_of(case: Case, usage: object) -> dict[str, Any]:
    if case.model.startswith("anthropic"):
        return message(usage, [{"type": "text", "text": SAID}], "end_turn")
    if case.place == "usageMetadata":
        return {"candidates": [candidate("STOP")], "usageMetadata": usage}
    said = {"role": "assistant", "content": SAID}
    choice = {"index": 0, "finish_reason": "stop", "message": said}
    frame = {"id": "c1", "created": 1, "model": "m", "service_tier": "on_demand"}
    return {**frame, "object": "chat.completion", "choices": [choice], "usage": usage}


def frames_of(case: Case, usage: Any) -> Iterator[dict[str, Any]]:
    if case.model.startswith("anthropic"):
        first = {**usage, "output_tokens": 1}
        yield {"type": "message_start", "message": message(first, [], None)}
        block = {"type": "text", "text": ""}
        yield {"type": "content_block_start", "index": 0, "content_block": block}
        text = {"type": "text_delta", "text": SAID}
        yield {"type": "content_block_delta", "index": 0, "delta": text}
        yield {"type": "content_block_stop", "index": 0}
        last = {"output_tokens": usage["output_tokens"]}
        end = {"stop_reason": "end_turn", "stop_sequence": None}
        yield {"type": "message_delta", "delta": end, "usage": last}
        yield {"type": "message_stop"}
        return
    if case.place == "usageMetadata":
        early = {"promptTokenCount": usage["promptTokenCount"], "totalTokenCount": 9}
        yield {"candidates": [candidate(None)], "usageMetadata": early}
        empty = {"content": {"parts": [{"text": ""}], "role": "model"}, "index": 0}
        last_part = {**empty, "finishReason": "STOP"}
        yield {"candidates": [last_part], "usageMetadata": usage}
        return
    frame = {"id": "c1", "created": 1, "model": "m", "object": "chat.completion.chunk"}
    said = {"role": "assistant", "content": SAID}
    choice = {"index": 0, "delta": said, "finish_reason": None}
    yield {**frame, "choices": [choice]}
    stop: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": "stop"}
    if case.name == "Moonshot":
        yield {**frame, "choices": [{**stop, "usage": usage}]}
        return
    yield {**frame, "choices": [stop]}
    yield {**frame, "choices": [], "usage": usage}


def message(usage: object, content: object, reason: str | None) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5",
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage,
    }


def candidate(reason: str | None) -> dict[str, Any]:
    content = {"parts": [{"text": SAID}], "role": "model"}
    found = {"content": content, "index": 0}
    return found if reason is None else {**found, "finishReason": reason}


@STREAM
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_bill_is_booked(
    server: Scripted, tmp_path: Path, case: Case, streamed: bool
) -> None:
    lease = lease_of(server, case, tmp_path)

    answer = answered(server, lease, case, case.usage, streamed)
    used = answer.charged

    assert answer.text == SAID
    assert used is not None
    parts = (used.cached_tokens, used.cache_write_tokens)
    assert (used.input_tokens, used.output_tokens, *parts) == case.took
    assert lease.bill(used) == Decimal(case.bill)


IMPOSSIBLE = ["abc", float("nan"), 3.5, None, -5, True, [], {}, 10**30]
SHAPES = [CASES[1], CASES[3], CASES[4], CASES[5], CASES[6]]
COUNTS = {
    "anthropic": ("input_tokens", "output_tokens"),
    "gemini": ("promptTokenCount", "candidatesTokenCount"),
}
OPENAI_COUNTS = ("prompt_tokens", "completion_tokens")


@STREAM
@pytest.mark.parametrize("case", SHAPES, ids=lambda case: case.name)
@pytest.mark.parametrize("which", [0, 1], ids=["input", "output"])
def test_numbers_that_cannot_be_are_none_and_the_answer_stays(
    server: Scripted, tmp_path: Path, case: Case, which: int, streamed: bool
) -> None:
    name = COUNTS.get(case.model.partition("/")[0], OPENAI_COUNTS)[which]
    for value in IMPOSSIBLE:
        lease = lease_of(server, case, tmp_path)
        usage = {**case.usage, name: value}

        answer = answered(server, lease, case, usage, streamed)

        assert (answer.text, answer.charged) == (SAID, None), value


@pytest.mark.parametrize("value", IMPOSSIBLE, ids=str)
def test_settling_with_numbers_that_cannot_be_keeps_the_estimate(
    server: Scripted, tmp_path: Path, value: Any
) -> None:
    for name in ("input_tokens", "output_tokens", "cached_tokens", "usd"):
        lease, guard = leased(server, CASES[1], tmp_path, "1M tokens/minute")
        numbers = {"input_tokens": 5, "output_tokens": 5, name: value}
        kept = value is not None or name != "usd"

        lease.settle(**numbers)

        assert guard.status()[0].limits[0].used == (20 if kept else 10)


@STREAM
@pytest.mark.parametrize("cached", [2_001, -1, "1000", 10**17, float("nan"), True])
def test_cached_tokens_that_cannot_be_cost_as_others(
    server: Scripted, tmp_path: Path, cached: object, streamed: bool
) -> None:
    case = CASES[1]
    lease = lease_of(server, case, tmp_path)
    usage = {"prompt_tokens": 2_000, "completion_tokens": 1, "cached_tokens": cached}

    answer = answered(server, lease, case, usage, streamed)

    assert answer.charged == ReportedUsage(input_tokens=2_000, output_tokens=1)


@STREAM
@pytest.mark.parametrize("cost", [-0.1, 1e9, "0.1", True, None, [], {}])
def test_a_bill_that_cannot_be_leaves_the_list(
    server: Scripted, tmp_path: Path, cost: object, streamed: bool
) -> None:
    case = CASES[7]
    lease = lease_of(server, case, tmp_path)

    answer = answered(server, lease, case, {**case.usage, "cost": cost}, streamed)

    assert answer.charged is not None
    assert lease.bill(answer.charged) == Decimal("0.000205")


@pytest.mark.parametrize(
    ("case", "expected"),
    [(CASES[3], 4_050), (CASES[5], 33), (CASES[1], 31_000), (CASES[6], 10_000)],
    ids=lambda one: getattr(one, "name", ""),
)
def test_cached_tokens_count_where_the_provider_counts_them(
    server: Scripted, tmp_path: Path, case: Case, expected: int
) -> None:
    limits = ("1M input_tokens/minute", "1000 usd/month")
    lease, guard = leased(server, case, tmp_path, *limits)
    answer = answered(server, lease, case, case.usage, streamed=False)
    assert answer.charged is not None

    usage = lease.book(answer.charged)

    tokens, money = guard.status()[0].limits
    assert (tokens.used, money.used) == (expected, Decimal(case.bill) * 10**9)
    assert usage.input_tokens == case.took[0]


def test_a_useless_answer_is_booked_by_its_bill(
    server: Scripted, tmp_path: Path
) -> None:
    case = CASES[6]
    lease, guard = leased(server, case, tmp_path, "1000 usd/month")
    error = BadAnswer("slot", "empty", charged=counted(case.usage, "openrouter"))

    lease.settle_failure(error)

    assert guard.status()[0].limits[0].used == 550_000


def test_the_journal_holds_the_cached_tokens_and_the_saving(
    server: Scripted, tmp_path: Path
) -> None:
    case = CASES[1]
    slot = slot_of(server, case)
    config = settings([slot], tmp_path, roles=[role()])
    clock = SystemClock()
    with Journal.open(tmp_path / "journal.db", clock) as journal:
        journal.start_run("r1", rehearsal=False, user="a", team="b", output=tmp_path)
        guard = QuotaGuard(config, MemoryStore(clock), clock)
        run = Run(id="r1", settings=config, guard=guard, journal=journal, clock=clock)
        body = whole_of(case, case.usage)
        server.headers = {"content-type": "application/json"}
        server.canned = (200, json.dumps(body))
        TieredLLM.bound(run, config.roles["coder"]).call("Say hello.")
        (call,) = journal.calls("r1")

    assert (call.cached_tokens, call.cache_write_tokens) == (30_720, 0)
    assert call.cost_usd == Decimal(case.bill)
    # 30,720 tokens at 3.6 dollars less for a million.
    assert call.cache_saved_usd == Decimal("0.110592")
