"""`crew init` looks for model servers on this machine, for a moment, on loopback."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import yaml

from crew.clock import SystemClock
from crew.settings import Settings
from crew.settings.loader import load_settings
from crew.setup.keys import Keys
from crew.setup.local_servers import (
    KINDS,
    SECONDS,
    Kind,
    LocalServer,
    find_local_servers,
)
from crew.setup.texts import default_texts, fitted

CONFIG = Path(__file__).parents[1] / "config"


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that takes one connection; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def work() -> None:
            connection, _ = server.accept()
            with connection:
                serve(connection)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(30)


def saying(body: object, *, status: str = "200 OK") -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        connection.recv(4096)
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n\r\n"
        text = body if isinstance(body, str) else json.dumps(body)
        connection.sendall((head + text).encode())

    return serve


def found(port: int, name: str = "ollama") -> list[tuple[str, tuple[str, ...]]]:
    kind = Kind(name=name, port=port, path="/list")
    servers = find_local_servers(SystemClock(), [kind])
    return [(server.kind.name, server.models) for server in servers]


@pytest.mark.parametrize(
    ("body", "models"),
    [
        (
            {"models": [{"name": "qwen3:8b"}, {"name": "nomic-embed-text"}]},
            ("qwen3:8b",),
        ),
        ({"object": "list", "data": [{"id": "a/b"}, {"id": "a/b"}]}, ("a/b",)),
    ],
)
def test_a_server_that_lists_models_is_found(
    body: object, models: tuple[str, ...]
) -> None:
    with listening(saying(body)) as port:
        assert found(port) == [("ollama", models)]


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"models": {}},
        {"models": [1, None, {"name": 3}, {"name": "x\n  evil: y"}, {"name": ""}]},
        {"models": [{"name": "x" * 101}, {"name": "a b"}, {"name": "a'#"}]},
        "<html>a web shop of one's own</html>",
        "[" * 100_000,
        "x" * 1_000_000,
    ],
)
def test_what_is_no_list_of_models_is_no_server(body: object) -> None:
    def serve(connection: socket.socket) -> None:
        with suppress(OSError):  # it hung up on us
            saying(body)(connection)

    with listening(serve) as port:
        assert found(port) == []


def test_a_refusal_is_no_server() -> None:
    body = {"models": [{"name": "qwen3:8b"}]}
    with listening(saying(body, status="403 Forbidden")) as port:
        assert found(port) == []


def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    clock = SystemClock()
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        listening(saying({"models": [{"name": "m"}]})) as port,
    ):
        kinds = [
            Kind(name="silent", port=silent.getsockname()[1], path="/"),
            Kind(name="other", port=port, path="/"),
        ]
        before = clock.monotonic()
        servers = find_local_servers(clock, kinds)
        took = clock.monotonic() - before

    assert [server.kind.name for server in servers] == ["other"]
    assert took < SECONDS + 2


def fitting(name: str, *models: str) -> dict[str, str]:
    (kind,) = (one for one in KINDS if one.name == name)
    server = LocalServer(kind=kind, models=models)
    return fitted(default_texts(CONFIG), Keys(), [server], [])


def loaded(directory: Path, texts: dict[str, str]) -> Settings:
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8")
    return load_settings(directory, environ={})


def test_ollama_gets_a_model_that_it_has(tmp_path: Path) -> None:
    settings = loaded(tmp_path, fitting("ollama", "llama3:8b", "qwen2.5-coder:7b"))

    assert settings.deployments["ollama"].model == "ollama_chat/qwen2.5-coder:7b"
    assert settings.tiers["last-resort"].chain[-1] != "ollama"


def test_ollama_with_the_default_model_keeps_it(tmp_path: Path) -> None:
    settings = loaded(tmp_path, fitting("ollama", "a-coder", "qwen3:8b"))

    assert settings.deployments["ollama"].model == "ollama_chat/qwen3:8b"


@pytest.mark.parametrize("name", ["lm-studio", "llama-cpp", "vllm"])
def test_another_server_becomes_a_provider_with_a_deployment(
    tmp_path: Path, name: str
) -> None:
    settings = loaded(tmp_path, fitting(name, "qwen2.5-coder-14b"))

    deployment = settings.deployments[name]
    assert deployment.model == "openai/qwen2.5-coder-14b"
    assert deployment.provider.local
    assert str(deployment.provider.base_url).startswith("http://127.0.0.1:")
    tiers = yaml.safe_load((tmp_path / "tiers.yaml").read_text())["tiers"]
    assert name in tiers["last-resort"]
    assert settings.tiers["senior"].then == "last-resort"
