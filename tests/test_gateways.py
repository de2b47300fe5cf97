"""Gateways as providers: their headers go with every call and are shown nowhere, what
they answer is understood, and the chain goes on without them."""

import json
import logging
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from building import deployment, provider, settings
from configured import KEY, SECRET, configure
from crew.cli import main
from crew.clock import ManualClock
from crew.errors import (
    BadAnswer,
    Overloaded,
    RateLimited,
    SettingsError,
    Unreachable,
)
from crew.guard import QuotaGuard
from crew.guard.health import FAILURE_COOLDOWN
from crew.providers.prompt import Prompt
from crew.providers.transport import complete
from crew.quota.stores.memory import MemoryStore
from crew.routing import Request
from crew.settings.loader import load_settings
from scripted import Scripted, serving

DOCS = (Path(__file__).parents[1] / "docs" / "gateways.md").read_text("utf-8")
HELLO = Prompt(messages=[{"role": "user", "content": "Say hello."}])
HEADER = "header-secret-0123456789"


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as script:
        script.brain = lambda request: f"{request['model']} did the work."
        yield script


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which connections are refused."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # without listening
        yield f"http://127.0.0.1:{held.getsockname()[1]}/v1"


def documented(name: str) -> str:
    found = re.search(rf"```yaml\n# {name}\n(.*?)```", DOCS, re.DOTALL)
    assert found is not None, name
    return found[1]


# The configuration.


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes the documented files, with the `headers` of Portkey that are given."""

    def written(headers: str | None = None) -> Path:
        directory = configure(tmp_path / "config", "http://127.0.0.1:9/v1")
        providers, tiers = documented("providers.yaml"), documented("tiers.yaml")
        if headers is not None:
            providers = re.sub(
                r"    headers:.*?(?=  openai:)",
                lambda _: f"    headers: {headers}\n",
                providers,
                flags=re.DOTALL,
            )
        (directory / "providers.yaml").write_text(providers, "utf-8")
        (directory / "tiers.yaml").write_text(tiers, "utf-8")
        (directory / "agents.yaml").write_text(
            "coder: {role: coder, goal: work, backstory: works, tier: senior}\n"
        )
        (directory / "tasks.yaml").write_text(
            "process: sequential\n"
            "code: {description: work, expected_output: text, agent: coder}\n"
        )
        return directory

    return written


def test_the_documented_files_load_with_the_gateways_before_the_provider(
    write: Callable[..., Path],
) -> None:
    found = load_settings(write(), environ={"OPENAI_API_KEY": SECRET})

    assert found.tiers["senior"].chain == ("gpt-proxy", "gpt-portkey", "gpt")
    assert not found.providers["proxy"].available
    assert found.providers["portkey"].headers["x-portkey-provider"] == "openai"
    config = json.loads(found.providers["portkey"].headers["x-portkey-config"])
    assert config == {"retry": {"attempts": 0}}
    assert all(one.price for one in found.deployments.values())


def test_a_header_takes_its_secret_from_the_environment_and_no_repr_shows_it(
    write: Callable[..., Path],
) -> None:
    environ = {"PORTKEY_TOKEN": HEADER}

    found = load_settings(
        write("{x-portkey-api-key: '${PORTKEY_TOKEN}'}"), environ=environ
    )

    assert found.providers["portkey"].headers == {"x-portkey-api-key": HEADER}
    assert HEADER not in repr(found)


def mistake(config: Path, **environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(config, environ=environ)
    return str(caught.value)


@pytest.mark.parametrize(
    ("headers", "key", "message"),
    [
        ("text", "headers", "found 'text', expected a mapping"),
        ("{x-a: 1}", "headers.x-a", "found 1, expected a text"),
        ("{x-a: }", "headers.x-a", "found nothing, expected a text"),
        ("{x-a: ''}", "headers.x-a", "is empty"),
        ("{x-a: [b]}", "headers.x-a", "found a list, expected a text"),
        ('{x-a: "b\\nc"}', "headers.x-a", "one line of ASCII"),
        ("{x-a: Müller}", "headers.x-a", "one line of ASCII"),
        ("{'x a': b}", "headers.x a", "no name of an HTTP header"),
        ("{x-a: '${NOT_SET}'}", "headers.x-a", "NOT_SET is not set"),
        ("{Authorization: Bearer abc}", "headers.Authorization", "write ${NAME}"),
        ("{x-portkey-api-key: abcdef}", "headers.x-portkey-api-key", "${NAME}"),
        (
            """{x-portkey-config: '{"api_key": "abcdef"}'}""",
            "headers.x-portkey-config",
            "write ${NAME}",
        ),
    ],
)
def test_a_header_that_cannot_be_sent_is_a_mistake_with_its_line(
    write: Callable[..., Path], headers: str, key: str, message: str
) -> None:
    config = write(headers)
    lines = (config / "providers.yaml").read_text("utf-8").splitlines()
    line = next(n for n, text in enumerate(lines, 1) if "headers:" in text)

    reported = mistake(config)

    assert f"providers.yaml:{line}: providers.portkey.{key}: " in reported
    assert message in reported
    assert len(reported.splitlines()) == 1
    assert "abcdef" not in reported


def test_a_secret_that_does_not_fit_into_a_header_is_not_quoted(
    write: Callable[..., Path],
) -> None:
    reported = mistake(write("{x-a: '${GATEWAY}'}"), GATEWAY=f"{HEADER}\nx-b: c")

    assert (
        "the value of ${GATEWAY} does not fit; allowed: one line of ASCII" in reported
    )
    assert HEADER not in reported


# What is sent, and what comes back.


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    "family", ["openai", "litellm_proxy", "openrouter", "mistral", "anthropic"]
)
def test_the_headers_go_with_every_call_and_into_no_error(
    server: Scripted, family: str, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.canned = 500, {"error": {"message": HEADER}}
    headers = {"x-portkey-provider": "openai", "x-gateway-token": HEADER}
    by = provider("gate", base_url=server.url, headers=headers)
    asked = deployment("m", by, model=f"{family}/m")

    with pytest.raises(Overloaded) as caught:
        complete(asked, HELLO, (lambda chunk: None) if stream else None)

    ((_, heard),) = server.posted
    assert heard["x-portkey-provider"] == "openai"
    assert heard["x-gateway-token"] == HEADER
    shown = f"{caught.value} {caught.value.raw} {by!r} {asked!r}"
    assert HEADER not in shown
    ours = [one for one in caplog.records if one.name.startswith("crew")]
    assert HEADER not in str(ours)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_proxy_hands_on_when_to_come_back(server: Scripted, stream: bool) -> None:
    server.headers = {
        "llm_provider-retry-after": "7",
        "llm_provider-x-ratelimit-limit-requests": "60",
        "llm_provider-x-ratelimit-remaining-requests": "0",
        "llm_provider-x-ratelimit-reset-requests": "9s",
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "0",
    }
    words = "litellm.RateLimitError: RateLimitError: OpenAIException - slow down"
    error = {"message": words, "type": "throttling_error", "code": "429"}
    server.canned = 429, {"error": error}
    asked = deployment("m", provider("gate", base_url=server.url))

    with pytest.raises(RateLimited) as caught:
        complete(asked, HELLO, (lambda chunk: None) if stream else None)

    assert caught.value.retry_after == 7.0
    (reported,) = caught.value.reported
    assert (reported.amount, reported.remaining, reported.resets_in) == (60, 0, 9.0)


def test_what_the_gateway_says_itself_goes_before_what_it_hands_on(
    server: Scripted,
) -> None:
    server.canned = 429, {}
    server.headers = {"llm_provider-retry-after": "7", "Retry-After": "30"}
    asked = deployment("m", provider("gate", base_url=server.url))

    with pytest.raises(RateLimited) as caught:
        complete(asked, HELLO)

    assert caught.value.retry_after == 30.0


def test_a_stream_that_a_gateway_ends_too_early_is_no_answer(server: Scripted) -> None:
    """The provider's connection broke off; Portkey ends its own as if all were well."""
    delta = {"role": "assistant", "content": "hal"}
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    chunk = {
        "id": "1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
    }
    server.canned = 200, f"data: {json.dumps(chunk)}\n\n"
    server.headers = {"content-type": "text/event-stream"}
    asked = deployment("m", provider("gate", base_url=server.url))

    with pytest.raises(BadAnswer, match="the answer has no end"):
        complete(asked, HELLO, lambda chunk: None)


# A chain that begins with a gateway.


@pytest.fixture
def chained(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Path]:
    """Writes a configuration whose chains begin with a gateway at this address."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY, SECRET)
    monkeypatch.setenv("GATEWAY_TOKEN", HEADER)
    monkeypatch.setenv("CREW_CONFIG_DIR", "config")

    def written(address: str) -> Path:
        directory = configure(tmp_path / "config", server.url)
        path = directory / "providers.yaml"
        text = path.read_text("utf-8").replace(
            "deployments:\n",
            f"  gate: {{api_key: '${{{KEY}}}', base_url: '{address}',\n"
            "    headers: {x-gateway-token: '${GATEWAY_TOKEN}'}}\n"
            "deployments:\n"
            "  through: {provider: gate, model: openai/behind, "
            "price: {input: 1, output: 2}, context_window: 100_000}\n",
        )
        path.write_text(text, "utf-8")
        tiers = directory / "tiers.yaml"
        tiers.write_text(tiers.read_text("utf-8").replace("[", "[through, "))
        return directory

    return written


def run(capsys: pytest.CaptureFixture[str]) -> tuple[list[tuple[str, str]], str]:
    code = main(["run", "Add pages", "--json"])
    shown = capsys.readouterr()
    assert code == 0
    calls = json.loads(shown.out)["calls"]
    steps = [(call["deployment"], call["outcome"]) for call in calls]
    return steps, shown.out + shown.err


def test_a_gateway_that_answers_serves_and_its_header_is_kept_nowhere(
    chained: Callable[[str], Path],
    server: Scripted,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chained(server.url)

    steps, shown = run(capsys)

    assert steps == [("through", "ok")] * 3
    assert server.hits("behind") == 3
    assert HEADER not in shown
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"journal.db", "quota.db", "run.json"}
    assert [path for path in files if HEADER.encode() in path.read_bytes()] == []


def test_a_gateway_that_is_down_is_left_at_once_for_the_direct_provider(
    chained: Callable[[str], Path],
    nobody: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chained(nobody)

    steps, shown = run(capsys)

    # Asked once: then its cooldown keeps every role away.
    assert steps == [
        ("through", "Unreachable"),
        ("thinker", "ok"),
        ("smith", "ok"),
        ("scribe", "ok"),
    ]
    assert HEADER not in shown


def test_a_gateway_that_is_back_is_asked_again_after_its_cooldown(
    server: Scripted, nobody: str, tmp_path: Path
) -> None:
    through = deployment("through", provider("gate", base_url=nobody))
    direct = deployment("direct", provider("one", base_url=server.url))
    clock = ManualClock()
    guard = QuotaGuard(settings([through, direct], tmp_path), MemoryStore(clock), clock)
    ask = Request(tier="mid", input_tokens=10, output_tokens=10)
    attempts = guard.begin(ask)
    lease = attempts.acquire()
    with pytest.raises(Unreachable) as caught:
        complete(lease.deployment, HELLO)
    attempts.failed(lease, caught.value)

    during = attempts.acquire().deployment
    others = guard.begin(ask).acquire().deployment
    clock.advance(FAILURE_COOLDOWN + 1)
    after = guard.begin(ask).acquire().deployment

    assert [during.name, others.name, after.name] == ["direct", "direct", "through"]
    assert complete(direct, HELLO).text == "direct did the work."
