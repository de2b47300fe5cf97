"""`parameters:` of a deployment: what may stand there, and that it is sent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litellm.types.utils import all_litellm_params

from building import deployment, provider
from crew.errors import Unsupported
from crew.providers.prompt import Prompt
from crew.providers.transport import complete
from crew.settings.loader import load_settings
from scripted import Scripted, serving
from small_config import change, mistakes_of, write_files
from test_emulator_kit import in_process, make_settings

HELLO = Prompt(messages=[{"role": "user", "content": "Say hello."}])
FUNCTION = {"name": "look", "description": "Look.", "parameters": {"type": "object"}}
TOOL = {"type": "function", "function": FUNCTION}


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as script:
        yield script


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_files(tmp_path / "config")


def given(config: Path, parameters: str) -> None:
    old = "    model: openai/big\n"
    change(config, "providers", old, f"{old}    parameters: {parameters}\n")


# What may stand there.


def test_values_of_every_plain_kind_are_read(config: Path) -> None:
    given(
        config, "{reasoning_effort: none, num_ctx: 8192, think: true, mine: {a: [1]}}"
    )

    found = load_settings(config, environ={}).deployments["big"].parameters

    assert found == {
        "reasoning_effort": "none",
        "num_ctx": 8192,
        "think": True,
        "mine": {"a": [1]},
    }


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("model", "`model` of the deployment"),
        ("messages", "each call sets it"),
        ("tools", "each call sets it"),
        ("stream", "each call sets it"),
        ("api_base", "`base_url`"),
        ("base_url", "`base_url`"),
        ("extra_headers", "`headers`"),
        ("timeout", "`timeout`"),
        ("max_retries", "the guard alone"),
        ("fallbacks", "the guard alone"),
        ("max_tokens", "`max_output`"),
        ("mock_response", "litellm keeps it"),
    ],
)
def test_a_name_of_ours_is_refused_with_its_place(
    config: Path, name: str, reason: str
) -> None:
    given(config, f"{{{name}: 1}}")

    (mistake,) = mistakes_of(config)

    assert mistake.line == 19
    assert mistake.key == f"deployments.big.parameters.{name}"
    assert mistake.message.startswith("not allowed: ")
    assert reason in mistake.message


@pytest.mark.parametrize("name", sorted(set(all_litellm_params)))
def test_no_name_that_litellm_keeps_for_itself_gets_through(
    tmp_path: Path, name: str
) -> None:
    config = write_files(tmp_path / "config")
    value = "${ALPHA_API_KEY}" if name == "api_key" else "1"
    given(config, f"{{{name}: '{value}'}}")

    assert [one.key for one in mistakes_of(config)] == [
        f"deployments.big.parameters.{name}"
    ]


@pytest.mark.parametrize("name", ["model", "tools", "stream"])
def test_a_name_of_ours_is_refused_in_extra_body(config: Path, name: str) -> None:
    given(config, f"{{extra_body: {{{name}: 1}}}}")

    (mistake,) = mistakes_of(config)

    assert mistake.key == f"deployments.big.parameters.extra_body.{name}"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("reasoning_efort", "reasoning_effort"),
        ("reasoning-effort", "reasoning_effort"),
        ("numctx", "num_ctx"),
        ("Temperature", "temperature"),
    ],
)
def test_a_slip_of_the_pen_is_a_mistake(config: Path, name: str, meant: str) -> None:
    given(config, f"{{{name}: 1}}")

    (mistake,) = mistakes_of(config)

    assert f"did you mean {meant!r}?" in mistake.message


@pytest.mark.parametrize("value", ["", "2026-01-01", ".nan", "[1, .inf]", "{a: null}"])
def test_what_json_cannot_hold_is_refused(config: Path, value: str) -> None:
    given(config, f"{{num_ctx: {value}}}")

    (mistake,) = mistakes_of(config)

    assert mistake.key == "deployments.big.parameters.num_ctx"
    assert "allowed: " in mistake.message


def test_parameters_that_are_no_mapping_are_refused(config: Path) -> None:
    given(config, "[reasoning_effort]")

    (mistake,) = mistakes_of(config)

    assert mistake.message == "found a list, expected a mapping"


# What is sent.


def sent(server: Scripted, model: str, prompt: Prompt = HELLO, **given: object) -> Any:
    asked = deployment(
        "m", provider("p", base_url=server.url), model=model, parameters=given
    )
    with_answer = {"role": "assistant", "content": "hello"}
    server.replies[model.partition("/")[2]] = [with_answer]
    complete(asked, prompt)
    return server.requests[-1]


@pytest.mark.parametrize(
    "family", ["openai", "hosted_vllm", "openrouter", "together_ai", "mistral"]
)
def test_parameters_stand_in_the_request_whoever_knows_them(
    server: Scripted, family: str
) -> None:
    request = sent(
        server, f"{family}/m", reasoning_effort="low", top_k=3, service_tier="flex"
    )

    assert request["reasoning_effort"] == "low"
    assert request["top_k"] == 3
    assert request["service_tier"] == "flex"


def test_they_go_before_those_of_the_role(server: Scripted) -> None:
    prompt = Prompt(messages=HELLO.messages, parameters={"temperature": 0.2, "seed": 1})

    request = sent(server, "openai/m", prompt, temperature=1)

    assert (request["temperature"], request["seed"]) == (1, 1)


# OpenAI refuses tools where a model reasons.


async def refused(model: str, **body: object) -> Any:
    made = make_settings("openai", deployments=[{"name": "s", "model": model}])
    async with in_process(made) as desk:
        answer = await desk.ask("s", **body)
    return answer.json().get("error")


async def test_the_emulated_openai_refuses_tools_with_reasoning() -> None:
    error = await refused("openai/gpt-5.6", tools=[TOOL])

    assert error == {
        "message": "Function tools with reasoning_effort are not supported for gpt-5.6 "
        "in /v1/chat/completions. To use function tools, use /v1/responses or set "
        "reasoning_effort to 'none'.",
        "type": "invalid_request_error",
        "param": "reasoning_effort",
        "code": None,
    }
    assert await refused("openai/gpt-5.6", tools=[TOOL], reasoning_effort="low")
    assert await refused("openai/gpt-5.6-terra", tools=[TOOL])
    assert await refused("openai/gpt-6.1-sol", tools=[TOOL])
    assert await refused("openai/gpt-5.4", tools=[TOOL], reasoning_effort="high")


async def test_the_emulated_openai_takes_tools_without_reasoning() -> None:
    assert not await refused("openai/gpt-5.6", tools=[TOOL], reasoning_effort="none")
    assert not await refused("openai/gpt-5.6", reasoning_effort="low")
    assert not await refused("openai/gpt-5.4", tools=[TOOL])
    assert not await refused("openai/gpt-4o", tools=[TOOL], stop=["x"], max_tokens=9)


@pytest.mark.parametrize(
    ("parameter", "value"), [("max_tokens", 9), ("stop", ["x"]), ("temperature", 0.2)]
)
async def test_the_emulated_openai_refuses_what_reasoning_models_do_not_take(
    parameter: str, value: object
) -> None:
    error = await refused("openai/gpt-5.6", **{parameter: value})

    assert error["param"] == parameter
    assert error["code"].startswith("unsupported_")


def test_that_refusal_is_unsupported(server: Scripted) -> None:
    message = (
        "Function tools with reasoning_effort are not supported for gpt-5.6 in "
        "/v1/chat/completions. To use function tools, use /v1/responses or set "
        "reasoning_effort to 'none'."
    )
    error = {"message": message, "type": "invalid_request_error", "code": None}
    server.canned = (400, {"error": error})
    asked = deployment("m", provider("p", base_url=server.url))

    with pytest.raises(Unsupported):
        complete(asked, Prompt(messages=HELLO.messages, tools=[TOOL]))
