"""Model servers on this machine that answer: Ollama, LM Studio, llama.cpp, vLLM."""

import json
import re
import selectors
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from crew.clock import Clock
from crew.setup.repository_files import as_mapping

SECONDS = 0.5
"""How long all servers together may take to answer: they are asked at the same time."""
_ANSWER_BYTES = 256 * 1024
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A server by its usual port. `path` lists its models."""

    name: str
    port: int
    path: str


KINDS = (
    Kind(name="ollama", port=11434, path="/api/tags"),
    Kind(name="lm-studio", port=1234, path="/v1/models"),
    Kind(name="llama-cpp", port=8080, path="/v1/models"),
    Kind(name="vllm", port=8000, path="/v1/models"),
)
"""The ports on which they listen by default (2026-11)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalServer:
    """A server that answered, and the models that it has."""

    kind: Kind
    models: tuple[str, ...]

    @property
    def best_model(self) -> str:
        """The one for work on code: one that says so, else the first."""
        return next((one for one in self.models if "code" in one), self.models[0])


@dataclass(slots=True)
class _Question:
    kind: Kind
    answer: bytearray = field(default_factory=bytearray)
    ended: bool = False


def find_local_servers(
    clock: Clock, kinds: Sequence[Kind] = KINDS
) -> list[LocalServer]:
    """Those that answer on loopback with a list of models, in the order of `kinds`."""
    questions = [_Question(kind) for kind in kinds]
    with selectors.DefaultSelector() as selector, ExitStack() as stack:
        for question in questions:
            # By hand: no proxy, no redirect, nothing past loopback.
            ours = stack.enter_context(socket.socket())
            ours.setblocking(False)
            ours.connect_ex(("127.0.0.1", question.kind.port))
            selector.register(ours, selectors.EVENT_WRITE, question)
        deadline = clock.monotonic() + SECONDS
        while selector.get_map() and (left := deadline - clock.monotonic()) > 0:
            for key, _ in selector.select(min(left, SECONDS)):
                _go_on(selector, key)
    return [
        LocalServer(kind=question.kind, models=models)
        for question in questions
        if question.ended and (models := _models(bytes(question.answer)))
    ]


def _go_on(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    """Send the question where the connection stands; else take of the answer."""
    question: _Question = key.data
    ours = key.fileobj
    assert isinstance(ours, socket.socket)
    try:
        if key.events & selectors.EVENT_WRITE:
            host = f"127.0.0.1:{question.kind.port}"
            head = f"GET {question.kind.path} HTTP/1.0\r\nHost: {host}\r\n\r\n"
            ours.sendall(head.encode())
            selector.modify(ours, selectors.EVENT_READ, question)
            return
        part = ours.recv(65536)
    except OSError:  # nobody listens there, as on most machines
        selector.unregister(ours)
        return
    question.answer += part
    question.ended = not part
    if not part or len(question.answer) > _ANSWER_BYTES:
        selector.unregister(ours)


def _models(answer: bytes) -> tuple[str, ...]:
    """The models of an answer that are for more than embeddings."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200" not in head.split(b"\r\n", 1)[0]:
        return ()
    try:
        found = as_mapping(json.loads(body))
    except (ValueError, RecursionError):
        return ()
    return tuple(dict.fromkeys(_names(found.get("data", found.get("models")))))


def _names(listed: object) -> Iterator[str]:
    for entry in listed if isinstance(listed, list) else ():
        named = as_mapping(entry)
        name = named.get("id", named.get("name"))
        if isinstance(name, str) and _MODEL.fullmatch(name) and "embed" not in name:
            yield name
