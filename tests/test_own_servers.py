"""Servers of one's own that speak as OpenAI does, by YAML alone."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from building import deployment, provider, role, settings
from configured import configure
from crew.cli import main
from crew.providers.own_servers import with_own_servers
from crew.providers.prompt import Prompt
from crew.providers.transport import acomplete, complete
from crew.settings import Deployment
from crew.settings.loader import load_settings
from scripted import Scripted, serving
from small_config import change, mistakes_of, write_files

HELLO = Prompt(messages=[{"role": "user", "content": "Say hello."}])
PREFIXES = (
    "custom_openai",
    "docker_model_runner",
    "hosted_vllm",
    "litellm_proxy",
    "llamafile",
    "lm_studio",
    "openai",
    "openai_like",
    "xinference",
)


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as script:
        yield script


def own(server: Scripted, model: str, **fields: object) -> Deployment:
    by = provider("home", api_key=None, local=True, base_url=server.url)
    return deployment("m", by, model=model, **fields)


# Without a key.


@pytest.mark.parametrize("local", [True, False], ids=["local", "address alone"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("awaited", [False, True], ids=["call", "async"])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_call_needs_no_key(
    server: Scripted, prefix: str, awaited: bool, stream: bool, local: bool
) -> None:
    asked = own(server, f"{prefix}/m")
    by = replace(asked.provider, local=local, api_key_variable=None)
    asked = replace(asked, provider=by)
    on_chunk = (lambda chunk: None) if stream else None

    if awaited:
        answer = asyncio.run(acomplete(asked, HELLO, on_chunk))
    else:
        answer = complete(asked, HELLO, on_chunk)

    assert answer.text == "hello"
    assert by.available
    assert [request["model"] for request in server.requests] == ["m"]


def test_a_key_that_is_set_goes_with_the_call(server: Scripted) -> None:
    asked = own(server, "openai/m")
    by = replace(asked.provider, api_key="sk-of-the-server")

    complete(replace(asked, provider=by), HELLO)

    assert server.posted[0][1]["authorization"] == "Bearer sk-of-the-server"


def test_an_address_without_a_key_is_no_mistake(tmp_path: Path) -> None:
    config = write_files(tmp_path / "config")
    change(config, "providers", "    local: true\n", "")

    home = load_settings(config, environ={}).providers["beta"]

    assert (home.local, home.keyless, home.available) == (False, True, True)


def test_a_provider_whose_key_is_not_set_is_still_left_out() -> None:
    unset = provider("p", api_key=None, base_url="http://127.0.0.1:1")

    assert not unset.available


def test_the_prefix_of_vllms_library_is_refused_with_advice(tmp_path: Path) -> None:
    config = write_files(tmp_path / "config")
    change(config, "providers", "ollama_chat/own", "vllm/own")

    (mistake,) = mistakes_of(config)

    assert mistake.key == "deployments.own.model"
    assert mistake.message.endswith("write hosted_vllm/own")


# The window and the id.

LISTS: dict[str, tuple[dict[str, Any], int | None]] = {
    "llama.cpp": ({"meta": {"n_ctx_train": 32_768, "n_params": 1}}, 32_768),
    "newer llama.cpp": ({"meta": {"n_ctx": 2_048, "n_ctx_train": 32_768}}, 2_048),
    "vLLM": ({"max_model_len": 8_192}, 8_192),
    "LM Studio": ({"max_context_length": 40_960}, 40_960),
    "LM Studio, loaded": (
        {"max_context_length": 40_960, "loaded_context_length": 4_096},
        4_096,
    ),
    "LocalAI": ({}, None),
    "nonsense": ({"max_model_len": "8K", "meta": [1]}, None),
}


def lists(server: Scripted, *entries: dict[str, Any]) -> None:
    server.pages["/v1/models"] = (200, {"object": "list", "data": list(entries)})


@pytest.mark.parametrize("prefix", ["openai", "hosted_vllm", "lm_studio", "llamafile"])
@pytest.mark.parametrize("kind", LISTS)
def test_the_window_is_the_servers(
    server: Scripted, tmp_path: Path, kind: str, prefix: str
) -> None:
    entry, window = LISTS[kind]
    lists(server, {"id": "m", **entry}, {"id": "other"})
    made = settings([own(server, f"{prefix}/m", window_assumed=True)], tmp_path)

    found = with_own_servers(made).deployments["m"]

    assert found.context_window == (window or 128_000)
    assert found.window_assumed == (window is None)
    assert found.model == f"{prefix}/m"


def test_the_one_model_of_a_server_is_called_whatever_its_id(
    server: Scripted, tmp_path: Path
) -> None:
    lists(server, {"id": "qwen.gguf", "meta": {"n_ctx": 2_048}})
    made = settings([own(server, "openai/local", window_assumed=True)], tmp_path)

    found = with_own_servers(made).deployments["m"]

    assert (found.model, found.context_window) == ("openai/qwen.gguf", 2_048)


def test_the_yaml_goes_before_the_server(server: Scripted, tmp_path: Path) -> None:
    lists(server, {"id": "m", "max_model_len": 8_192})
    made = settings([own(server, "openai/m", context_window=4_096)], tmp_path)

    assert with_own_servers(made) == made
    assert server.asked == []


def test_a_server_that_is_down_leaves_all_as_it_is(
    server: Scripted, tmp_path: Path
) -> None:
    gone = provider("home", api_key=None, local=True, base_url="http://127.0.0.1:9/v1")
    made = settings([deployment("m", gone, window_assumed=True)], tmp_path)

    assert with_own_servers(made) == made


def test_the_window_that_ollama_is_asked_for_is_the_window(tmp_path: Path) -> None:
    config = write_files(tmp_path / "config")
    old = "    model: ollama_chat/own\n"
    change(config, "providers", old, f"{old}    parameters: {{num_ctx: 8192}}\n")

    found = load_settings(config, environ={}).deployments["own"]

    assert (found.context_window, found.window_assumed) == (8_192, False)


# The command line.


@pytest.fixture
def all_local(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A configuration whose only provider is a local server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CREW_CONFIG_DIR", "config")
    directory = configure(tmp_path / "config", server.url)
    path = directory / "providers.yaml"
    text = path.read_text("utf-8").replace("api_key: '${ONE_API_KEY}'", "local: true")
    path.write_text(text.replace(", context_window: 100_000", ""), "utf-8")
    return directory


def test_check_says_what_a_local_server_has_and_that_runs_are_real(
    all_local: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    lists(server, {"id": "only-one", "meta": {"n_ctx": 2_048}})

    assert main(["check"]) == 0

    shown = capsys.readouterr().out
    assert "rehearsal" not in shown
    assert "WARNING" not in shown
    assert "it serves only-one alone, which is called" in shown
    assert "window 2,048 tokens, by its own account" in shown
    assert "128,000" not in shown


def test_check_says_that_runs_are_rehearsals_while_the_server_is_down(
    all_local: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = all_local / "providers.yaml"
    text = path.read_text("utf-8")
    at = text.index("http://127.0.0.1:")
    path.write_text(text[:at] + "http://127.0.0.1:9/v1" + text[text.index("'", at) :])

    assert main(["check"]) == 0

    assert "one does not answer: runs are rehearsals" in capsys.readouterr().out


def test_a_run_works_with_what_the_server_says(
    all_local: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    lists(server, {"id": "only-one", "max_model_len": 50_000})

    assert main(["run", "Add pages", "--json"]) == 0

    calls = json.loads(capsys.readouterr().out)["calls"]
    assert [call["outcome"] for call in calls] == ["ok"] * 3
    assert {request["model"] for request in server.requests} == {"only-one"}


# How much an answer is expected to take.


def test_no_more_output_is_expected_than_the_role_allows(
    server: Scripted, tmp_path: Path
) -> None:
    from crew.calls.llm import TieredLLM
    from crew.calls.run import Run

    short = role(options={"max_tokens": 64})
    by = provider("one", "500 output_tokens/minute", base_url=server.url)
    made = settings([deployment("m", by)], tmp_path, roles=[short], max_wait=0.0)
    run = Run.open(made, output=tmp_path / "out")

    answer = TieredLLM.bound(run, short).call("Say hello.")

    assert answer == "hello"
