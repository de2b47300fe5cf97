"""TieredLLM on real HTTP: every way to call it, and every way a call can fail."""

import asyncio
import copy
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from crewai.events.event_bus import crewai_event_bus
from crewai.events.types.llm_events import (
    LLMCallCompletedEvent,
    LLMCallFailedEvent,
    LLMCallStartedEvent,
    LLMStreamChunkEvent,
)
from crewai.hooks.dispatch import HookAborted, InterceptionPoint, on, unregister
from crewai.llms.base_llm import call_stop_override
from pydantic import BaseModel

from building import DEAR, deployment, provider, role, settings
from crew.calls.llm import TieredLLM
from crew.calls.run import Run
from crew.clock import SystemClock
from crew.errors import ContextTooLong, QuotaExceeded, RunFailed
from crew.guard import QuotaGuard
from crew.journal import CallRecord, Journal
from crew.progress.tail import Writing
from crew.quota.stores.memory import MemoryStore
from hangs import HANGS_AFTER
from scripted import Scripted, serving, tool_call

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "read_file",
            "description": "Read a file.",
            "parameters": {
                "type": "object",
                "properties": {"path": {"type": "string"}},
                "required": ["path"],
            },
        },
    }
]
USER = [{"role": "user", "content": "Say hello."}]
PIXEL = "data:image/png;base64,iVBORw0KGgo="


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as script:
        yield script


HASTE = 2.0
"""Seconds that a provider has to answer, where the test lets it hang. They must do for
a request to arrive, on a busy machine too."""


@pytest.fixture
def made(server: Scripted, tmp_path: Path) -> Iterator[Callable[..., TieredLLM]]:
    opened: list[Run] = []

    def make(
        *limits: str, max_wait: float = 0.0, hasty: str = "", **fields: Any
    ) -> TieredLLM:
        chain = [
            deployment(
                name,
                provider(
                    f"p-{name}",
                    *limits,
                    base_url=server.url,
                    timeout=HASTE if name == hasty else HANGS_AFTER,
                ),
                price=DEAR,
                vision=name != "blind",
            )
            for name in ("first", "second", "third")
        ]
        config = settings(chain, tmp_path, roles=[role(**fields)], max_wait=max_wait)
        clock = SystemClock()
        journal = Journal.open(tmp_path / "journal.db", clock)
        journal.start_run(
            "r1", rehearsal=False, user="ada", team="core", output=tmp_path
        )
        run = Run(
            id="r1",
            settings=config,
            guard=QuotaGuard(config, MemoryStore(clock), clock),
            journal=journal,
            clock=clock,
        )
        opened.append(run)
        return TieredLLM.bound(run, config.roles["coder"])

    yield make
    for run in opened:
        run.close()


def calls(llm: TieredLLM) -> list[CallRecord]:
    return llm._run.journal.calls("r1")


def ways(llm: TieredLLM, stream: bool) -> list[Callable[..., Any]]:
    llm.stream = stream
    return [llm.call, lambda *a, **k: asyncio.run(llm.acall(*a, **k))]


STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
WAY = pytest.mark.parametrize("way", [0, 1], ids=["call", "acall"])


@STREAM
@WAY
def test_text_comes_back_and_its_usage_is_exact(
    server: Scripted, made: Callable[..., TieredLLM], stream: bool, way: int
) -> None:
    llm = made()

    assert ways(llm, stream)[way](USER) == "hello"

    (sent, wrote) = server.reported["first"][0]
    (call,) = calls(llm)
    assert (call.deployment, call.role, call.outcome) == ("first", "coder", "ok")
    assert (call.input_tokens, call.output_tokens) == (sent, wrote)
    assert call.cost_usd == (5 * sent + 25 * wrote) / Decimal(1_000_000)
    assert llm.get_token_usage_summary().total_tokens == sent + wrote
    assert not call.estimated


@STREAM
@WAY
def test_what_a_model_writes_can_be_looked_at_while_it_comes(
    server: Scripted,
    made: Callable[..., TieredLLM],
    monkeypatch: pytest.MonkeyPatch,
    stream: bool,
    way: int,
) -> None:
    llm = made()
    tail, parts = llm._run.guard.progress.tail, list[str]()
    add = tail.add

    def heard(who: str, where: str, text: str) -> None:
        add(who, where, text)
        parts.append(text)
        assert tail.latest == Writing(role=who, deployment=where, text="".join(parts))

    monkeypatch.setattr(tail, "add", heard)
    server.replies["first"] = ["hello", tool_call("read_file", path="src/a.py")]
    ways(llm, stream)[way](USER)
    whole = Writing(role="coder", deployment="first", text="hello", ended=True)

    assert "".join(parts) == ("hello" if stream else "")
    assert tail.latest == whole
    ways(llm, False)[way](USER, tools=TOOLS)
    assert tail.latest == replace(whole, text="-> read_file")


@STREAM
@WAY
def test_a_tool_call_comes_back_as_it_was_made(
    server: Scripted, made: Callable[..., TieredLLM], stream: bool, way: int
) -> None:
    server.replies["first"] = [tool_call("read_file", path="src/a.py")]
    llm = made()

    (call,) = ways(llm, stream)[way](USER, tools=TOOLS)

    assert call.id == "call_read_file"
    assert call.function.name == "read_file"
    assert call.function.arguments == '{"path": "src/a.py"}'
    assert server.requests[0]["tools"] == TOOLS
    assert calls(llm)[0].output_tokens == server.reported["first"][0][1]


class Verdict(BaseModel):
    good: bool
    why: str


@STREAM
@WAY
def test_a_response_model_comes_back_as_an_instance(
    server: Scripted, made: Callable[..., TieredLLM], stream: bool, way: int
) -> None:
    server.replies["first"] = ['{"good": true, "why": "it works"}']

    found = ways(made(), stream)[way](USER, response_model=Verdict)

    assert found == Verdict(good=True, why="it works")
    assert server.requests[0]["response_format"]["type"] == "json_schema"


@WAY
def test_an_answer_that_does_not_fit_the_model_goes_to_the_next(
    server: Scripted, made: Callable[..., TieredLLM], way: int
) -> None:
    server.replies["first"] = ['{"good": "perhaps"}']
    server.replies["second"] = ['{"good": false, "why": "no"}']
    llm = made()

    found = ways(llm, False)[way](USER, response_model=Verdict)

    assert found == Verdict(good=False, why="no")
    bad, good = calls(llm)
    assert (bad.outcome, good.outcome) == ("BadAnswer", "ok")
    assert (bad.input_tokens, bad.output_tokens) == server.reported["first"][0]


FAULTS = {
    "429": "RateLimited",
    "500": "Overloaded",
    "502": "Overloaded",
    "503": "Overloaded",
    "529": "Overloaded",
    "401": "BadKey",
    "402": "OutOfMoney",
    "403": "BadKey",
    "404": "ModelGone",
    "timeout": "TimedOut",
    "reset": "BadAnswer",
    "malformed": "BadAnswer",
    "html": "Blocked",
    "empty": "BadAnswer",
    "no_choices": "BadAnswer",
    "error_in_200": "Overloaded",
    "broken": "BadAnswer",
    "error_in_stream": "Overloaded",
}


BROKEN = [
    (fault, stream)
    for fault in FAULTS
    for stream in (False, True)
    if stream or fault != "error_in_stream"
]


@WAY
@pytest.mark.parametrize(("fault", "stream"), BROKEN)
def test_every_failure_swaps_at_once_with_one_attempt_per_lease(
    server: Scripted,
    made: Callable[..., TieredLLM],
    fault: str,
    stream: bool,
    way: int,
) -> None:
    server.replies["first"] = [fault]
    llm = made(hasty="first" if fault == "timeout" else "")
    conversation = [
        {"role": "system", "content": "You write."},
        {"role": "user", "content": "Read it."},
        tool_call("read_file", path="a.py"),
        {"role": "tool", "tool_call_id": "call_read_file", "content": "x = 1"},
    ]

    assert ways(llm, stream)[way](conversation, tools=TOOLS) == "hello"

    assert (server.hits("first"), server.hits("second")) == (1, 1)
    assert server.requests[1]["messages"] == server.requests[0]["messages"]
    failed, served = calls(llm)
    assert (failed.deployment, failed.outcome) == ("first", FAULTS[fault])
    assert served.deployment == "second"
    assert served.reason.startswith("first: ")


@WAY
def test_nobody_at_home_swaps_too(
    server: Scripted, made: Callable[..., TieredLLM], way: int
) -> None:
    llm = made()
    gone = llm._run.settings.deployments["first"]
    object.__setattr__(gone, "base_url", "http://127.0.0.1:9/v1")

    assert ways(llm, False)[way](USER) == "hello"
    assert [call.outcome for call in calls(llm)] == ["Unreachable", "ok"]


@pytest.mark.parametrize("status", ["400", "422"])
def test_a_request_that_two_providers_refuse_ends_the_run(
    server: Scripted, made: Callable[..., TieredLLM], status: str
) -> None:
    server.replies["first"] = server.replies["second"] = [status]
    llm = made()

    with pytest.raises(RunFailed, match="BadRequest"):
        llm.call(USER)

    assert len(server.requests) == 2
    with pytest.raises(RunFailed):
        llm.call(USER)
    assert len(server.requests) == 2


@pytest.mark.parametrize("said", ["400", "400 rejected by our safety system"])
def test_a_request_that_one_provider_refuses_is_put_to_another(
    server: Scripted, made: Callable[..., TieredLLM], said: str
) -> None:
    server.replies["first"] = [said]
    llm = made()

    assert llm.call(USER) == "hello"

    refused = "BadRequest" if said == "400" else "ContentRefused"
    assert [call.outcome for call in calls(llm)] == [refused, "ok"]
    assert calls(llm)[1].reason == f"first: {refused} (400)"


def test_when_all_are_closed_crewai_does_not_try_again(
    server: Scripted, made: Callable[..., TieredLLM]
) -> None:
    for name in ("first", "second", "third"):
        server.replies[name] = ["429"]
    llm = made()

    with pytest.raises(QuotaExceeded) as caught:
        llm.call(USER)

    assert isinstance(caught.value, HookAborted)
    assert [entry.deployment for entry in caught.value.closed] == [
        "first",
        "second",
        "third",
    ]
    assert all(entry.opens_at is not None for entry in caught.value.closed)
    assert len(server.requests) == 3


def test_the_keys_and_the_prompt_stay_out_of_errors_and_journal(
    server: Scripted, made: Callable[..., TieredLLM], tmp_path: Path
) -> None:
    for name in ("first", "second", "third"):
        server.replies[name] = ["401"]
    llm = made()

    with pytest.raises(QuotaExceeded) as caught:
        llm.call("the secret prompt")

    llm._run.close()
    written = (tmp_path / "journal.db").read_bytes()
    wal = tmp_path / "journal.db-wal"
    written += wal.read_bytes() if wal.exists() else b""
    for secret in ("sk-p-first", "the secret prompt"):
        assert secret not in str(caught.value)
        assert secret.encode() not in written


def test_a_limit_of_ours_swaps_before_the_provider_refuses(
    server: Scripted, made: Callable[..., TieredLLM]
) -> None:
    llm = made("1 requests/hour")

    for _ in range(3):
        llm.call(USER)
    with pytest.raises(QuotaExceeded):
        llm.call(USER)

    assert [call.deployment for call in calls(llm)] == ["first", "second", "third"]
    assert len(server.requests) == 3


@WAY
def test_a_stream_without_its_numbers_keeps_the_estimate(
    server: Scripted, made: Callable[..., TieredLLM], way: int
) -> None:
    server.tells_usage = False
    llm = made()

    ways(llm, True)[way]([{"role": "user", "content": "x" * 4_000}])

    (call,) = calls(llm)
    assert call.estimated
    assert (call.input_tokens, call.output_tokens) == (1_000, 800)


@STREAM
@WAY
def test_what_the_headers_tell_is_counted_for_everybody(
    server: Scripted, made: Callable[..., TieredLLM], stream: bool, way: int
) -> None:
    server.headers = {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "2",
        "x-ratelimit-reset-requests": "30s",
    }
    llm = made("20 requests/minute")

    ways(llm, stream)[way](USER)

    pools = {pool.name: pool for pool in llm._run.guard.status()}
    (limit,) = pools["provider:p-first"].limits
    assert (limit.used, limit.learned, limit.left) == (8, 10, 2)


def test_a_window_that_is_too_small_is_told_so_that_crewai_can_shorten(
    server: Scripted, made: Callable[..., TieredLLM]
) -> None:
    llm = made()

    with pytest.raises(ContextTooLong, match="maximum context length"):
        llm.call([{"role": "user", "content": "x" * 1_000_000}])

    assert server.requests == []
    assert llm.call(USER) == "hello"


@STREAM
@WAY
@pytest.mark.parametrize(
    "said",
    [
        "404 No endpoints found that support tool use.",
        "400 The `reasoning_content` in the thinking mode must be passed back.",
        "400 Function call is missing a thought_signature in functionCall parts.",
    ],
)
def test_what_one_deployment_cannot_take_goes_to_the_next_from_then_on(
    server: Scripted,
    made: Callable[..., TieredLLM],
    said: str,
    stream: bool,
    way: int,
) -> None:
    server.replies["first"] = [said, "hello again"]
    llm = made()
    call = ways(llm, stream)[way]

    reported = [call(USER, tools=TOOLS), call(USER, tools=TOOLS), call(USER)]

    assert reported == ["hello", "hello", "hello again"]
    assert [one.outcome for one in calls(llm)] == ["Unsupported", "ok", "ok", "ok"]
    assert [one.deployment for one in calls(llm)][1:] == ["second", "second", "first"]
    assert calls(llm)[1].reason == "first: Unsupported (400)".replace("400", said[:3])


@STREAM
@WAY
def test_a_window_that_is_smaller_than_was_said_is_left_for_another(
    server: Scripted, made: Callable[..., TieredLLM], stream: bool, way: int
) -> None:
    server.replies["first"] = [
        "400 This model's maximum context length is 3,000 tokens.",
        "hello again",
    ]
    llm = made()
    call = ways(llm, stream)[way]
    long = [{"role": "user", "content": "x" * 20_000}]

    assert [call(long), call(long), call(USER)] == ["hello", "hello", "hello again"]

    assert [one.deployment for one in calls(llm)] == [
        "first",
        "second",
        "second",
        "first",
    ]
    assert calls(llm)[0].outcome == "ContextTooLong"
    assert calls(llm)[1].reason == "first: its context window is too small"


def test_a_conversation_that_nobody_can_read_may_be_shortened_to_what_fits(
    server: Scripted, made: Callable[..., TieredLLM]
) -> None:
    for name, window in (("first", 900), ("second", 3_000), ("third", 2_000)):
        said = f"400 This model's maximum context length is {window} tokens."
        server.replies[name] = [said, "hello"]
    llm = made()

    with pytest.raises(ContextTooLong, match="maximum context length"):
        llm.call([{"role": "user", "content": "x" * 20_000}])

    assert llm.get_context_window_size() == int(0.85 * 2_999)
    assert llm._run.failure is None
    assert llm.call(USER) == "hello"
    assert len(server.requests) == 4


def test_stop_words_are_sent_and_kept(
    server: Scripted, made: Callable[..., TieredLLM]
) -> None:
    server.replies["first"] = ["Thought: yes\nObservation: no"]
    llm = made()

    with call_stop_override(llm, ["\nObservation:"]):
        assert llm.call(USER) == "Thought: yes"

    assert server.requests[0]["stop"] == ["\nObservation:"]


def test_an_image_goes_to_a_deployment_that_sees(
    server: Scripted, made: Callable[..., TieredLLM]
) -> None:
    llm = made()
    blind = llm._run.settings.deployments["first"]
    object.__setattr__(blind, "vision", False)
    content = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": PIXEL}},
    ]

    assert llm.call([{"role": "user", "content": content}]) == "hello"

    assert server.requests[0]["model"] == "second"
    assert server.requests[0]["messages"][0]["content"] == content


def test_parameters_of_the_role_are_sent(
    server: Scripted, made: Callable[..., TieredLLM]
) -> None:
    made(options={"temperature": 0.2, "max_tokens": 55}).call(USER)

    assert server.requests[0]["temperature"] == 0.2
    assert server.requests[0]["max_tokens"] == 55


@STREAM
def test_events_tell_the_start_the_chunks_and_the_end(
    server: Scripted, made: Callable[..., TieredLLM], stream: bool
) -> None:
    seen: list[Any] = []
    server.replies["first"] = [tool_call("read_file", path="a.py"), "the end", "400"]
    server.replies["second"] = ["400"]
    llm = made()
    llm.stream = stream
    kinds = (
        LLMCallStartedEvent,
        LLMCallCompletedEvent,
        LLMCallFailedEvent,
        LLMStreamChunkEvent,
    )
    with crewai_event_bus.scoped_handlers():
        for kind in kinds:
            crewai_event_bus.on(kind)(lambda source, event: seen.append(event))
        llm.call(USER, tools=TOOLS)
        llm.call(USER)
        with pytest.raises(RunFailed):
            llm.call(USER)
        crewai_event_bus.flush()

    names = [type(event).__name__ for event in seen]
    assert names.count("LLMCallStartedEvent") == 3
    assert names.count("LLMCallFailedEvent") == 1
    done = [event for event in seen if isinstance(event, LLMCallCompletedEvent)]
    assert sorted(str(event.call_type.value) for event in done) == [
        "llm_call",
        "tool_call",
    ]
    assert all(event.usage["completion_tokens"] > 0 for event in done)
    chunks = [event for event in seen if isinstance(event, LLMStreamChunkEvent)]
    text = "".join(c.chunk for c in chunks if c.tool_call is None)
    arguments = "".join(c.chunk for c in chunks if c.tool_call is not None)
    expected = ("the end", '{"path": "a.py"}') if stream else ("", "")
    assert (text, arguments) == expected


@WAY
@pytest.mark.parametrize("fault", ["broken", "error_in_stream"])
def test_who_follows_a_stream_is_told_that_the_answer_begins_anew(
    server: Scripted, made: Callable[..., TieredLLM], fault: str, way: int
) -> None:
    seen: list[str] = []
    server.replies["first"] = [fault]
    server.replies["second"] = ["500"]
    llm = made()
    with crewai_event_bus.scoped_handlers():
        crewai_event_bus.on(LLMStreamChunkEvent)(
            lambda source, event: seen.append(event.chunk)
        )
        answer = ways(llm, True)[way](USER)
        crewai_event_bus.flush()

    assert answer == "hello"
    assert "".join(seen) == "hal\n[broken off; third answers anew]\nhello"


def test_hooks_run_before_and_after(
    server: Scripted, made: Callable[..., TieredLLM]
) -> None:
    def before(context: Any) -> None:
        context.messages.append({"role": "user", "content": "from the hook"})

    def after(context: Any) -> None:
        context.response = context.response.upper()

    on(InterceptionPoint.PRE_MODEL_CALL)(before)
    on(InterceptionPoint.POST_MODEL_CALL)(after)
    try:
        assert made().call(USER) == "HELLO"
    finally:
        unregister(InterceptionPoint.PRE_MODEL_CALL, before)
        unregister(InterceptionPoint.POST_MODEL_CALL, after)

    assert server.requests[0]["messages"][-1]["content"] == "from the hook"


def _pickled(llm: TieredLLM) -> TieredLLM:
    copied: TieredLLM = pickle.loads(pickle.dumps(llm))
    return copied


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, _pickled, lambda llm: llm.model_copy()]
)
def test_a_copy_works_in_the_same_run_and_counts_for_itself(
    server: Scripted,
    made: Callable[..., TieredLLM],
    copied: Callable[[TieredLLM], TieredLLM],
) -> None:
    llm = made(options={"temperature": 0.5})
    llm.call(USER)

    twin = copied(llm)
    twin_before = twin.get_token_usage_summary().successful_requests
    assert twin.call(USER) == "hello"

    assert (twin.role, twin.model, twin.temperature) == ("coder", "mid", 0.5)
    assert llm.get_token_usage_summary().successful_requests == 1
    assert twin.get_token_usage_summary().successful_requests == twin_before + 1
    assert len(calls(llm)) == 2


def test_no_key_is_in_what_crewai_may_write_down(
    made: Callable[..., TieredLLM],
) -> None:
    llm = made()

    assert "sk-" not in llm.model_dump_json()
    assert b"sk-" not in pickle.dumps(llm)


@STREAM
def test_concurrent_threads_each_get_their_own_usage(
    server: Scripted, made: Callable[..., TieredLLM], stream: bool
) -> None:
    llm = made()
    llm.stream = stream
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: llm.call(USER), range(24)))

    assert answers == ["hello"] * 24
    recorded = sorted((call.input_tokens, call.output_tokens) for call in calls(llm))
    assert recorded == sorted(server.reported["first"])


@STREAM
async def test_concurrent_tasks_each_get_their_own_usage(
    server: Scripted, made: Callable[..., TieredLLM], stream: bool
) -> None:
    llm = made()
    llm.stream = stream

    await asyncio.gather(*(llm.acall(USER) for _ in range(24)))

    recorded = sorted((call.input_tokens, call.output_tokens) for call in calls(llm))
    assert recorded == sorted(server.reported["first"])


def test_a_run_makes_no_more_calls_than_it_may(
    server: Scripted, made: Callable[..., TieredLLM]
) -> None:
    llm = made()
    object.__setattr__(llm._run.settings, "max_calls", 2)
    llm.call(USER)
    llm.call(USER)

    with pytest.raises(RunFailed, match="max_calls"):
        llm.call(USER)
    assert len(server.requests) == 2
