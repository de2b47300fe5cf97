"""The transport on the providers' own protocols, as the emulator speaks them."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from crew.errors import ModelGone
from crew.loader import load_settings
from crew.providers.transport import Answer, Prompt, acomplete, complete
from crew.rehearsal import rehearsing
from crew.settings import Deployment, Settings

CONFIG = Path(__file__).parents[1] / "config"
HELLO = Prompt(messages=[{"role": "user", "content": "Say hello."}])
FAMILIES = (
    "anthropic",
    "deepseek",
    "gemini",
    "groq",
    "mistral",
    "ollama_chat",
    "openai",
    "openrouter",
    "together_ai",
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


def uncounted(deployment: Deployment) -> None:
    """Let the emulator forget its counts: some free tiers take one call a second."""
    address = httpx.URL(deployment.base_url or "")
    httpx.post(address.copy_with(path="/_control/reset")).raise_for_status()


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


def test_a_wrong_path_is_a_model_that_is_gone(deployment: Deployment) -> None:
    wrong = replace(deployment, model=f"{deployment.family}/no-such-model")

    with pytest.raises(ModelGone):
        complete(wrong, HELLO)


def test_what_no_utf8_can_hold_is_sent_all_the_same(deployment: Deployment) -> None:
    odd = Prompt(messages=[{"role": "user", "content": "half a pair: \ud83d"}])

    assert complete(deployment, odd).text == "A rehearsed answer."
