"""Our requests go through clients of ours, and those of others pass untouched."""

import asyncio
import datetime
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import litellm
import openai
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

from building import deployment, provider
from crew.clock import SystemClock
from crew.errors import BadAnswer, RateLimited, Unsupported
from crew.providers import exchange
from crew.providers.answer import Answer
from crew.providers.prompt import Prompt
from crew.providers.transport import OnChunk, acomplete, complete
from crew.runs.rehearsal import rehearsing
from crew.settings import Deployment
from crew.settings.loader import load_settings
from loopback import http
from scripted import Scripted, serving

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
    "zai",
)
ELSEWHERE = (
    "cerebras",
    "cloudflare",
    "cohere_chat",
    "custom_openai",
    "hosted_vllm",
    "litellm_proxy",
    "lm_studio",
    "nvidia_nim",
    "openai/responses",
    "sambanova",
    "text-completion-openai",
)
"""Families that the emulator does not play. litellm hands no client on for Cohere and
Cloudflare, and sends what is asked for as `responses` in another way."""

SENDS_AGAIN = hasattr(AsyncHTTPHandler, "single_connection_post_request")
"""Whether this litellm sends a broken request again; 1.110 does not."""
STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
AWAITED = pytest.mark.parametrize("awaited", [False, True], ids=["call", "async"])


def ask(
    asked: Deployment, on_chunk: OnChunk | None = None, *, awaited: bool = False
) -> Answer:
    if awaited:
        return asyncio.run(acomplete(asked, HELLO, on_chunk))
    return complete(asked, HELLO, on_chunk)


def ignore(chunk: object) -> None:
    """A listener that does nothing."""


# Pages of somebody else, and a server that moved away.

LARGE = exchange.MOST_OF_A_FAILURE + 1_000


class _Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        if self.path == "/moved":
            self._send(302, b"", location="/here")
        elif self.path == "/fails":
            self._send(500, b"x" * LARGE)
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            while True:
                try:
                    self.wfile.write(b": filler\n\n")
                except OSError:
                    return
        else:
            accepted = self.headers.get("accept-encoding", "")
            body = {"finish_reason": "error", "accepted": accepted}
            self._send(200, json.dumps(body).encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._send(307, b"", location=self.server.moved_to)  # type: ignore[attr-defined]

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Pages(ThreadingHTTPServer):
    daemon_threads = True
    moved_to = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def served(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def pages() -> Iterator[_Pages]:
    server = _Pages(("127.0.0.1", 0), _Page)
    with served(server):
        yield server


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as script:
        yield script


@pytest.fixture
def moved(server: Scripted, pages: _Pages) -> str:
    """An address that sends every request on to the scripted server."""
    pages.moved_to = f"{server.url}/chat/completions"
    return f"{pages.url}/v1"


@pytest.fixture(scope="module")
def played() -> Iterator[dict[str, Deployment]]:
    """One deployment of each family, at the emulator."""
    with rehearsing(load_settings(CONFIG, environ={})) as settings:
        yield {one.family: one for one in settings.deployments.values()}


def fresh(asked: Deployment) -> Deployment:
    """The same, its calls so far forgotten: some free tiers take one a second."""
    url = httpx.URL(asked.base_url or "").copy_with(path="/_control/reset")
    http.post(url).raise_for_status()
    return asked


# A listener of the user's that talks HTTP while we do.

SEEN = [302, 200, 500, LARGE, True, 30]


def seen(client: httpx.Client) -> list[object]:
    found = client.get("/moved", follow_redirects=True)
    failed = client.get("/fails")
    with client.stream("GET", "/endless") as endless:
        parts = [part for part, _ in zip(endless.iter_raw(10), range(30), strict=False)]
    return [
        client.get("/moved").status_code,
        found.status_code,
        failed.status_code,
        len(failed.content),
        "gzip" in found.json()["accepted"],
        len(parts),
    ]


async def seen_async(client: httpx.AsyncClient) -> list[object]:
    found = await client.get("/moved", follow_redirects=True)
    failed = await client.get("/fails")
    count = 0
    async with client.stream("GET", "/endless") as endless:
        async for _ in endless.aiter_raw(10):
            count += 1
            if count == 30:
                break
    return [
        (await client.get("/moved")).status_code,
        found.status_code,
        failed.status_code,
        len(failed.content),
        "gzip" in found.json()["accepted"],
        count,
    ]


@AWAITED
@pytest.mark.parametrize("family", FAMILIES)
def test_a_listeners_own_requests_pass_untouched(
    played: dict[str, Deployment], pages: _Pages, family: str, awaited: bool
) -> None:
    results: list[list[object]] = []

    def listen(chunk: object) -> None:
        if not results:
            with httpx.Client(base_url=pages.url) as client:
                results.append(seen(client))

    answer = ask(fresh(played[family]), listen, awaited=awaited)

    assert results == [SEEN]
    assert answer.text == "A rehearsed answer."


@pytest.mark.parametrize("family", FAMILIES)
def test_a_listeners_requests_in_the_same_event_loop_pass_untouched(
    played: dict[str, Deployment], pages: _Pages, family: str
) -> None:
    async def both() -> tuple[str, list[object]]:
        tasks: list[asyncio.Task[list[object]]] = []
        async with httpx.AsyncClient(base_url=pages.url) as client:

            def listen(chunk: object) -> None:
                if not tasks:
                    tasks.append(asyncio.create_task(seen_async(client)))

            answer = await acomplete(fresh(played[family]), HELLO, listen)
            return answer.text, await tasks[0]

    assert asyncio.run(both()) == ("A rehearsed answer.", SEEN)


@AWAITED
def test_a_listeners_time_is_not_the_providers(
    server: Scripted, pages: _Pages, awaited: bool
) -> None:
    server.brain = lambda request: "an answer in several pieces"
    asked = deployment("m", provider("slow", base_url=server.url, timeout=1.0))
    ask(asked, ignore, awaited=awaited)  # what the first call takes
    clock, heard = SystemClock(), 0

    def listen(chunk: object) -> None:
        nonlocal heard
        heard += 1
        ends = clock.monotonic() + 1.2
        with httpx.stream("GET", f"{pages.url}/endless") as endless:
            for _ in endless.iter_raw():
                if heard > 1 or clock.monotonic() > ends:
                    return

    answer = ask(asked, listen, awaited=awaited)

    assert answer.text == "an answer in several pieces"
    assert heard > 1


# Whoever else uses litellm and httpx in this process.


def plainly(model: str, base: str, *, awaited: bool) -> None:
    options: dict[str, Any] = {
        "model": model,
        "messages": list(HELLO.messages),
        "api_key": "sk-of-the-user",
        "api_base": base,
        "max_retries": 0,
    }
    try:
        if awaited:
            asyncio.run(litellm.acompletion(**options))
        else:
            litellm.completion(**options)
    except openai.APIError:
        """What the scripted server speaks, not every family understands."""


@AWAITED
@pytest.mark.parametrize("family", ["anthropic", "cohere_chat", "mistral", "openai"])
def test_litellm_follows_a_redirect_for_others(
    server: Scripted, moved: str, family: str, awaited: bool
) -> None:
    asked = deployment("m", provider("p", base_url=moved), model=f"{family}/m")
    with pytest.raises(BadAnswer, match="it redirects"):
        ask(asked, awaited=awaited)
    ours = len(server.posted)

    plainly(f"{family}/m", moved, awaited=awaited)

    assert ours == 0
    assert len(server.posted) == 1


def test_litellm_sends_again_for_others(server: Scripted) -> None:
    server.replies["m"] = ["broken"]
    asked = deployment("m", provider("p", base_url=server.url), model="mistral/m")
    with pytest.raises(BadAnswer, match="broke off"):
        ask(asked, awaited=True)
    ours = server.hits("m")

    plainly("mistral/m", server.url, awaited=True)

    assert ours == 1
    assert server.hits("m") == 1 + (2 if SENDS_AGAIN else 1)


def test_neither_httpx_nor_litellms_clients_are_patched() -> None:
    methods = [
        httpx.HTTPTransport.handle_request,
        httpx.AsyncHTTPTransport.handle_async_request,
        httpx.Client.send,
        httpx.AsyncClient.send,
        AsyncHTTPHandler.post,
    ]
    if SENDS_AGAIN:
        methods.append(AsyncHTTPHandler.single_connection_post_request)

    assert {method.__module__.partition(".")[0] for method in methods} == {
        "httpx",
        "litellm",
    }


@AWAITED
def test_litellm_keeps_none_of_our_clients_for_others(
    server: Scripted, awaited: bool
) -> None:
    kept = litellm.in_memory_llm_clients_cache.cache_dict
    before = set(kept)

    for family in ("openai", "mistral"):
        asked = deployment("m", provider("p", base_url=server.url), model=f"{family}/m")
        ask(asked, awaited=awaited)
        ask(asked, ignore, awaited=awaited)

    assert set(kept) == before


# What each of our own requests goes through.


@STREAM
@AWAITED
@pytest.mark.parametrize("family", [*FAMILIES, *ELSEWHERE])
def test_every_family_sends_through_our_client(
    server: Scripted, moved: str, family: str, awaited: bool, stream: bool
) -> None:
    asked = deployment("m", provider("p", base_url=moved), model=f"{family}/m")

    with pytest.raises(BadAnswer, match="it redirects"):
        ask(asked, ignore if stream else None, awaited=awaited)

    assert server.posted == []


@STREAM
@AWAITED
@pytest.mark.parametrize("family", [*FAMILIES, *ELSEWHERE, "azure"])
def test_every_family_makes_one_attempt(
    server: Scripted, family: str, awaited: bool, stream: bool
) -> None:
    error = {"message": "Rate limit reached", "code": "rate_limit_exceeded"}
    server.canned = (429, {"error": error})
    asked = deployment("m", provider("p", base_url=server.url), model=f"{family}/m")
    on_chunk = ignore if stream else None
    left: list[int] = []

    def note() -> None:
        left.append(len(server.posted))

    with pytest.raises(RateLimited):
        if awaited:
            asyncio.run(acomplete(asked, HELLO, on_chunk, on_sent=note))
        else:
            complete(asked, HELLO, on_chunk, on_sent=note)

    assert left[0] == 0
    assert len(server.posted) == 1


@AWAITED
def test_groq_need_not_name_its_service_tier(server: Scripted, awaited: bool) -> None:
    asked = deployment("m", provider("p", base_url=server.url), model="groq/m")

    assert ask(asked, awaited=awaited).text == "hello"


def test_litellm_does_not_mend_a_conversation_and_send_it_again(
    server: Scripted,
) -> None:
    server.replies["m"] = ["400 Conversation roles must alternate user/assistant"]
    asked = deployment("m", provider("p", base_url=server.url))

    with pytest.raises(Unsupported):
        ask(asked)

    assert server.hits("m") == 1


LEFT_EARLY = {("anthropic", True), ("openai", True), ("zai", True)}
"""litellm, or the SDK, leaves these streams before their very last bytes."""
KEPT = [
    (family, stream)
    for family in FAMILIES
    for stream in (False, True)
    if (family, stream) not in LEFT_EARLY
]


@AWAITED
@pytest.mark.parametrize(("family", "stream"), KEPT)
def test_a_call_takes_the_connection_of_the_one_before(
    played: dict[str, Deployment],
    family: str,
    stream: bool,
    awaited: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, on_chunk = played[family], ignore if stream else None
    made: list[object] = []

    def counted(connect: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*args: Any, **options: Any) -> Any:
            made.append(args)
            return connect(*args, **options)

        return counting

    def count() -> None:
        loops = asyncio.BaseEventLoop
        connect = counted(socket.create_connection)
        monkeypatch.setattr(socket, "create_connection", connect)
        connect = counted(loops.create_connection)
        monkeypatch.setattr(loops, "create_connection", connect)

    async def twice() -> None:
        await acomplete(asked, HELLO, on_chunk)
        fresh(asked)
        count()
        await acomplete(asked, HELLO, on_chunk)

    fresh(asked)
    if awaited:
        asyncio.run(twice())
    else:
        complete(asked, HELLO, on_chunk)
        fresh(asked)
        count()
        complete(asked, HELLO, on_chunk)

    assert made == []


# The way out of the user's network.


@STREAM
@AWAITED
@pytest.mark.parametrize("family", ["openai", "mistral"])
def test_the_users_proxy_is_asked(
    server: Scripted,
    family: str,
    awaited: bool,
    stream: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/v1"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    by = provider(f"proxied {family} {awaited} {stream}", base_url="http://far.test/v1")
    asked = deployment("m", by, model=f"{family}/m")
    near = replace(asked, base_url=server.url)
    on_chunk = ignore if stream else None

    ask(asked, on_chunk, awaited=awaited)
    ask(near, on_chunk, awaited=awaited)

    assert [path for path, _ in server.posted] == [
        "http://far.test/v1/chat/completions",
        "/v1/chat/completions",
    ]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Signed by itself, for 127.0.0.1; the key is in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now.replace(year=2120))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("certificate") / "own.pem"
    path.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@AWAITED
@pytest.mark.parametrize("family", ["openai", "mistral"])
def test_the_users_certificates_are_believed(
    certificate: Path, family: str, awaited: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    secure = _Pages(("127.0.0.1", 0), _Page)
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    address = secure.url.replace("http:", "https:")
    by = provider(f"secure {family} {awaited}", base_url=address)

    with (
        served(secure),
        pytest.raises(BadAnswer, match="it redirects"),  # so it was reached
    ):
        ask(deployment("m", by, model=f"{family}/m"), awaited=awaited)
