"""Every deployment that comes with the project, in the shape in which the crew uses
it, against the rules of its own provider as the emulator plays them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from crew.errors import BadRequest, Unsupported
from crew.providers.answer import Answer
from crew.providers.prompt import Prompt
from crew.providers.transport import complete
from crew.runs.rehearsal import rehearsing
from crew.settings import Deployment
from crew.settings.loader import load_settings
from loopback import http
from test_emulator_kit import picture

CONFIG = Path(__file__).parents[1] / "config"
NAMES = sorted(load_settings(CONFIG, environ={}).deployments)
TOOL = {
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
HELLO = {"role": "user", "content": "Write hello.py."}
# What agents.yaml may give to a role, and CrewAI to every call of an agent.
OF_A_ROLE = {"temperature": 0.2, "top_p": 0.9, "max_tokens": 2_000, "seed": 7}
STOP = ("\nObservation:",)


@pytest.fixture(scope="module")
def played() -> Iterator[dict[str, Deployment]]:
    with rehearsing(load_settings(CONFIG, environ={})) as settings:
        yield dict(settings.deployments)


def ask(asked: Deployment, prompt: Prompt, *, stream: bool) -> Answer:
    # Some free tiers take one call a second.
    url = httpx.URL(asked.base_url or "").copy_with(path="/_control/reset")
    http.post(url).raise_for_status()
    return complete(asked, prompt, (lambda chunk: None) if stream else None)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", NAMES)
def test_it_works_with_tools_images_and_parameters(
    played: dict[str, Deployment], name: str, stream: bool
) -> None:
    asked = played[name]
    tools = [TOOL] if asked.tools else None

    first = ask(
        asked,
        Prompt(messages=[HELLO], tools=tools, stop=STOP, parameters=OF_A_ROLE),
        stream=stream,
    )
    messages = [HELLO, {"role": "assistant", "content": first.text}]
    if asked.tools:
        assert first.tool_calls[0].function.name == "write_file"
        calls = [call.model_dump() for call in first.tool_calls]
        result = {"role": "tool", "tool_call_id": calls[0]["id"], "content": "done"}
        messages = [HELLO, {"role": "assistant", "tool_calls": calls}, result]
    else:
        messages.append({"role": "user", "content": "Go on."})
    second = ask(
        asked, Prompt(messages=messages, tools=tools, stop=STOP), stream=stream
    )
    assert second.text

    if asked.vision:
        shown = {"type": "image_url", "image_url": {"url": picture()}}
        text = {"type": "text", "text": "What is there?"}
        question = {"role": "user", "content": [text, shown]}
        prompt = Prompt(messages=[question], parameters=OF_A_ROLE)
        assert ask(asked, prompt, stream=stream).text


def test_openais_takes_tools_by_its_parameters_alone(
    played: dict[str, Deployment],
) -> None:
    prompt = Prompt(messages=[HELLO], tools=[TOOL])

    with pytest.raises((Unsupported, BadRequest), match=r"400"):
        ask(replace(played["gpt-4"], parameters={}), prompt, stream=False)
