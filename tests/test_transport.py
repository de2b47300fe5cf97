"""The transport on the providers' own protocols, as the emulator speaks them."""

import asyncio
import gc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from crew.errors import ModelGone, ProviderError, TimedOut
from crew.images.image import data_url
from crew.providers.answer import Answer
from crew.providers.prompt import Prompt
from crew.providers.reasoning import KeptReasoning
from crew.providers.transport import acomplete, complete
from crew.runs.rehearsal import rehearsing
from crew.settings import Deployment, Settings
from crew.settings.loader import load_settings
from loopback import http

CONFIG = Path(__file__).parents[1] / "config"
HELLO = Prompt(messages=[{"role": "user", "content": "Say hello."}])
WRITE = {
    "type": "function",
    "function": {
        "name": "write_file",
        "description": "Write a file.",
        "parameters": {
            "type": "object",
            "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
            "required": ["path", "content"],
        },
    },
}
FAMILIES = (
    "anthropic",
    "deepseek",
    "gemini",
    "groq",
    "mistral",
    "nvidia_nim",
    "ollama_chat",
    "openai",
    "openrouter",
    "together_ai",
    "zai",
)


@pytest.fixture(scope="module")
def played() -> Iterator[Settings]:
    with rehearsing(load_settings(CONFIG, environ={})) as settings:
        yield settings


@pytest.fixture(params=FAMILIES)
def deployment(played: Settings, request: pytest.FixtureRequest) -> Deployment:
    family = [one for one in played.deployments.values() if one.family == request.param]
    uncounted(family[-1])
    return family[-1]


def control(deployment: Deployment, path: str) -> httpx.URL:
    return httpx.URL(deployment.base_url or "").copy_with(path=f"/_control/{path}")


def uncounted(deployment: Deployment) -> None:
    """Let the emulator forget its counts: some free tiers take one call a second."""
    http.post(control(deployment, "reset")).raise_for_status()


def faulty(deployment: Deployment, fault: str, times: int = 1) -> None:
    """Let the next calls fail, and those before be forgotten."""
    uncounted(deployment)
    order = {"provider": deployment.provider.name, "fault": fault, "times": times}
    http.post(control(deployment, "faults"), json=order).raise_for_status()


def requests(deployment: Deployment) -> list[dict[str, Any]]:
    """What the emulator was asked since it forgot, oldest first."""
    found: list[dict[str, Any]] = http.get(control(deployment, "requests")).json()
    return found


def test_the_rehearsal_speaks_each_familys_own_protocol(played: Settings) -> None:
    assert {one.family for one in played.deployments.values()} == set(FAMILIES)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_one_answer_and_its_usage_arrive_in_every_event_loop(
    deployment: Deployment, stream: bool
) -> None:
    chunks: list[object] = []
    on_chunk = chunks.append if stream else None
    answers: list[Answer] = [complete(deployment, HELLO, on_chunk)]
    for _ in range(2):
        uncounted(deployment)
        answers.append(asyncio.run(acomplete(deployment, HELLO, on_chunk)))

    assert {answer.text for answer in answers} == {"A rehearsed answer."}
    assert len({answer.charged for answer in answers}) == 1
    assert all(answer.charged for answer in answers)
    assert bool(chunks) == stream


TELLING = {
    "anthropic": "anthropic-ratelimit-requests-remaining",
    "groq": "x-ratelimit-remaining-tokens",
    "mistral": "ratelimitbysize-remaining",
    "openai": "x-ratelimit-remaining-requests",
    "together_ai": "x-ratelimit-remaining",
}
"""Who tells its limits with every answer, and in which header."""


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("awaited", [False, True], ids=["call", "async"])
@pytest.mark.parametrize("family", TELLING)
def test_the_limits_are_told_in_every_way_to_call(
    one_of_each: dict[str, Deployment], family: str, stream: bool, awaited: bool
) -> None:
    deployment = one_of_each[family]
    uncounted(deployment)
    on_chunk = (lambda chunk: None) if stream else None

    if awaited:
        answer = asyncio.run(acomplete(deployment, HELLO, on_chunk))
    else:
        answer = complete(deployment, HELLO, on_chunk)

    assert TELLING[family] in answer.headers
    assert answer.reported


@pytest.fixture(scope="module")
def watched() -> Callable[[], list[httpx.Response]]:
    """Finds the responses that were made since; not among all that was there before."""
    gc.collect()
    gc.freeze()
    return lambda: [one for one in gc.get_objects() if isinstance(one, httpx.Response)]


@pytest.mark.parametrize("awaited", [False, True], ids=["call", "async"])
@pytest.mark.parametrize("fault", ["error_in_stream", "broken_stream", "malformed"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_stream_that_breaks_off_is_closed_at_once(
    one_of_each: dict[str, Deployment],
    watched: Callable[[], list[httpx.Response]],
    family: str,
    fault: str,
    awaited: bool,
) -> None:
    """And not by the garbage collector, which may come while the pool is locked."""
    deployment = one_of_each[family]
    faulty(deployment, fault)

    with pytest.raises(ProviderError) as caught:  # and with it the frames
        if awaited:
            asyncio.run(acomplete(deployment, HELLO, lambda chunk: None))
        else:
            complete(deployment, HELLO, lambda chunk: None)

    assert caught.value.deployment == deployment.name
    assert [one for one in watched() if not one.is_closed] == []
    assert len(requests(deployment)) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("awaited", [False, True], ids=["call", "async"])
@pytest.mark.parametrize("family", ["anthropic", "gemini", "deepseek", "ollama_chat"])
def test_filler_is_no_sign_of_an_answer(
    one_of_each: dict[str, Deployment], family: str, stream: bool, awaited: bool
) -> None:
    """Else a provider that is full could keep a call for half an hour."""
    hasty = replace(one_of_each[family], timeout=0.3)
    faulty(hasty, "keep_alive")
    on_chunk = (lambda chunk: None) if stream else None

    with pytest.raises(TimedOut):  # the filler goes on for two minutes
        if awaited:
            asyncio.run(acomplete(hasty, HELLO, on_chunk))
        else:
            complete(hasty, HELLO, on_chunk)


def test_a_wrong_path_is_a_model_that_is_gone(deployment: Deployment) -> None:
    wrong = replace(deployment, model=f"{deployment.family}/no-such-model")

    with pytest.raises(ModelGone):
        complete(wrong, HELLO)


def test_what_no_utf8_can_hold_is_sent_all_the_same(deployment: Deployment) -> None:
    odd = Prompt(messages=[{"role": "user", "content": "half a pair: \ud83d"}])

    assert complete(deployment, odd).text == "A rehearsed answer."


@pytest.fixture(scope="module")
def one_of_each(played: Settings) -> dict[str, Deployment]:
    able = sorted(played.deployments.values(), key=lambda one: (one.tools, one.vision))
    return {one.family: one for one in able}


def called(answer: Answer) -> list[dict[str, object]]:
    """What the executor of CrewAI keeps of a tool call."""
    return [
        {
            "id": call.id,
            "type": "function",
            "function": {
                "name": call.function.name,
                "arguments": call.function.arguments,
            },
        }
        for call in answer.tool_calls
    ]


def targets(source: str, names: list[str], *, stream: bool) -> list[str]:
    """Who goes on with what `source` began: everybody. A conversation is sent the same
    way for a stream, so there it is the source itself and one other: each in turn."""
    if not stream:
        return names
    return [source, names[names.index(source) - 1]]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("source", FAMILIES)
def test_a_tool_loop_goes_on_with_any_other_family(
    one_of_each: dict[str, Deployment], source: str, stream: bool
) -> None:
    on_chunk = (lambda chunk: None) if stream else None
    begun, hello = one_of_each[source], list(HELLO.messages)
    uncounted(begun)
    first = complete(begun, Prompt(messages=hello, tools=[WRITE]), on_chunk)
    calls = called(first)
    # Two calls at once, as a model that calls in parallel makes them.
    second = {**calls[0], "id": f"{calls[0]['id']}2"[-9:]}
    turn = [
        {"role": "system", "content": "You write files."},
        *hello,
        {"role": "assistant", "content": None, "tool_calls": [*calls, second]},
        {"role": "tool", "tool_call_id": calls[0]["id"], "content": "done"},
        {"role": "tool", "tool_call_id": second["id"], "content": "done twice"},
    ]
    for target in targets(source, [*one_of_each], stream=stream):
        deployment = one_of_each[target]
        uncounted(deployment)

        answer = complete(deployment, Prompt(messages=turn, tools=[WRITE]), on_chunk)

        assert "done" in answer.text, target


@pytest.mark.parametrize(
    "arguments", ["", "null", '"text"', '{"path": "a', '{"path": "\\ud83d"}']
)
def test_arguments_that_are_no_object_are_sent_as_one(
    one_of_each: dict[str, Deployment], arguments: str
) -> None:
    function = {"name": "write_file", "arguments": arguments}
    call = {"id": "call_1", "type": "function", "function": function}
    turn = [
        *HELLO.messages,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "no valid JSON"},
    ]
    for family, deployment in one_of_each.items():
        uncounted(deployment)

        answer = complete(deployment, Prompt(messages=turn, tools=[WRITE]))

        assert "no valid JSON" in answer.text, family


def test_a_word_of_the_user_after_a_tool_is_heard_by_every_family(
    one_of_each: dict[str, Deployment],
) -> None:
    function = {"name": "write_file", "arguments": "{}"}
    call = {"id": "call_1", "type": "function", "function": function}
    turn = [
        *HELLO.messages,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "done"},
        {"role": "user", "content": "Now give your final answer."},
    ]
    for family, deployment in one_of_each.items():
        uncounted(deployment)

        answer = complete(deployment, Prompt(messages=turn, tools=[WRITE]))

        assert "done" in answer.text, family


GIVEN_BACK = {
    "anthropic": ["thinking"],
    "deepseek": ["reasoning_content"],
    "openrouter": ["reasoning_details"],
    "zai": ["reasoning_content"],
}
"""What each family wants back of what its model thought before a call."""


def heard(deployment: Deployment) -> list[str]:
    """The fields with thoughts that came with the latest conversation."""
    latest = requests(deployment)[-1]
    return [name for given in latest["thoughts"] for name in given]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("source", [*FAMILIES, "DeepSeek at OpenRouter"])
def test_what_a_model_thought_goes_back_to_it_and_to_nobody_else(
    played: Settings, one_of_each: dict[str, Deployment], source: str, stream: bool
) -> None:
    on_chunk = (lambda chunk: None) if stream else None
    each = {**one_of_each, "DeepSeek at OpenRouter": played.deployments["deepseek"]}
    own, hello, reasoning = each[source], list(HELLO.messages), KeptReasoning()
    uncounted(own)
    first = complete(own, Prompt(messages=hello, tools=[WRITE]), on_chunk)
    reasoning.keep(own, first.tool_calls, first.reasoning)
    [call] = called(first)
    turn = [
        *hello,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "done"},
    ]
    for target in targets(source, [*each], stream=stream):
        deployment = each[target]
        uncounted(deployment)

        prompt = Prompt(messages=turn, tools=[WRITE], reasoning=reasoning)
        answer = complete(deployment, prompt, on_chunk)

        assert "done" in answer.text, target
        if target == source:
            assert heard(deployment) == GIVEN_BACK.get(own.family, [])
        elif "deepseek" in deployment.model:  # a blank: it insists on something
            assert heard(deployment) == ["reasoning_content"]
        else:
            assert heard(deployment) == []


def test_an_image_in_the_conversation_moves_along(
    played: Settings, tmp_path: Path
) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    url = data_url((tmp_path / "a.png").read_bytes())
    image = {"type": "image_url", "image_url": {"url": url}}
    content = [{"type": "text", "text": "Look."}, image]
    seeing = [one for one in played.deployments.values() if one.vision]
    for deployment in seeing:
        uncounted(deployment)

        answer = complete(
            deployment, Prompt(messages=[{"role": "user", "content": content}])
        )

        assert "PNG image of 30x20" in answer.text, deployment.name
    assert len({one.family for one in seeing}) >= 5


@pytest.mark.parametrize("family", ["anthropic", "gemini", "mistral", "together_ai"])
def test_a_connection_that_breaks_off_is_not_tried_again_behind_our_back(
    one_of_each: dict[str, Deployment], family: str
) -> None:
    deployment = one_of_each[family]
    faulty(deployment, "broken_stream", times=2)

    with pytest.raises(ProviderError):
        asyncio.run(acomplete(deployment, HELLO))

    assert len(requests(deployment)) == 1
