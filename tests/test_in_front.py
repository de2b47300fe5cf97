"""What stands between this machine and a provider: a proxy, a name server, a
certificate, a library that sends nothing. The provider and its key are not blamed,
nothing is charged that never left, and nobody tries it again and again."""

import asyncio
import datetime
import ipaddress
import itertools
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from building import DEAR, deployment, provider, settings
from crew.clock import ManualClock
from crew.errors import (
    Blocked,
    ContextTooLong,
    ModelGone,
    OutOfMoney,
    Overloaded,
    ProviderError,
    QuotaExceeded,
    RateLimited,
    TimedOut,
    Unreachable,
    Unsendable,
    Unsupported,
)
from crew.guard import QuotaGuard
from crew.providers.families.registry import FAMILIES
from crew.providers.http import Endpoint, fetch
from crew.providers.prompt import Prompt
from crew.providers.transport import acomplete, complete
from crew.quota.store import Store
from crew.quota.stores import open_store
from crew.quota.stores.memory import MemoryStore
from crew.routing import Request
from crew.settings import Deployment, Provider
from scripted import serving

HELLO = Prompt(messages=[{"role": "user", "content": "Say hello."}])
ASK = Request(tier="mid", input_tokens=100, output_tokens=50, role="coder", run="r1")
SECONDS = 20.0
FAMILY_IDS = ("openai", "anthropic", "gemini", "groq", "mistral", "openrouter")
AWAITED = pytest.mark.parametrize("awaited", [False, True], ids=["call", "async"])
# Connections are kept by the name of the provider, with the proxy of their time.
_numbers = itertools.count()


def new_provider(**fields: object) -> Provider:
    return provider(f"front{next(_numbers)}", timeout=SECONDS, **fields)


def at(model: str, **fields: object) -> Deployment:
    keyed = {"api_key": fields.pop("api_key")} if "api_key" in fields else {}
    by = new_provider(**keyed)
    return deployment(f"{by.name}-{model}", by, model=model, **fields)


def fails(asked: Deployment, *, awaited: bool = False) -> ProviderError:
    """The error of one call, and that a request left only if it says so."""
    sent: list[bool] = []

    def note() -> None:
        sent.append(True)

    with pytest.raises(ProviderError) as caught:
        if awaited:
            asyncio.run(acomplete(asked, HELLO, on_sent=note))
        else:
            complete(asked, HELLO, on_sent=note)
    return caught.value


@dataclass
class Run:
    """Calls through a guard of their own until all is closed, or one is answered."""

    deployments: list[Deployment]
    tmp_path: Path
    max_wait: float = 300.0
    lines: list[str] = field(default_factory=list)
    attempts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = ManualClock()
        self.use(MemoryStore(self.clock))

    def use(self, store: Store) -> None:
        """Count in this store."""
        made = settings(self.deployments, self.tmp_path, max_wait=self.max_wait)
        self.guard = QuotaGuard(made, store, self.clock, self.lines.append)

    def call(self) -> str:
        """Who answered, or why nobody did."""
        attempts = self.guard.begin(ASK)
        try:
            while True:
                lease = attempts.acquire()
                self.attempts.append(lease.deployment.name)
                try:
                    complete(lease.deployment, HELLO, on_sent=lease.sent)
                except ProviderError as error:
                    attempts.failed(lease, error)
                else:
                    lease.settle(input_tokens=1, output_tokens=1)
                    return lease.deployment.name
        except QuotaExceeded as closed:
            return str(closed)

    def used(self) -> list[int]:
        """What all limits have counted."""
        return [
            one.used + one.reserved
            for pool in self.guard.status()
            for one in pool.limits
        ]


# A proxy.


@dataclass
class Proxy:
    """Answers each CONNECT with `answer`; `asked` are the first lines that came."""

    answer: bytes
    asked: list[str] = field(default_factory=list)
    port: int = 0


@contextmanager
def proxying(answer: bytes) -> Iterator[Proxy]:
    proxy = Proxy(answer)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy.port = listener.getsockname()[1]

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    asked = connection.recv(65_536)
                    proxy.asked.append(asked.partition(b"\r\n")[0].decode())
                    connection.sendall(proxy.answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def answer(status: str) -> bytes:
    return (
        f"HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
    )


LOGIN = answer("407 Proxy Authentication Required")


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], Proxy]]:
    """Makes this machine one behind a proxy that answers so."""
    with pytest.MonkeyPatch.context() as patch:
        opened: list[object] = []

        def make(answered: bytes) -> Proxy:
            running = proxying(answered)
            proxy = running.__enter__()
            opened.append(running)
            patch.setenv("HTTPS_PROXY", f"http://ann:s3cret@127.0.0.1:{proxy.port}")
            patch.setenv("NO_PROXY", "near.test")
            return proxy

        yield make
        for running in opened:
            running.__exit__(None, None, None)  # type: ignore[attr-defined]


@AWAITED
@pytest.mark.parametrize("family", FAMILY_IDS)
def test_a_proxy_that_wants_a_login_is_named(
    behind: Callable[[bytes], Proxy], family: str, awaited: bool
) -> None:
    proxy = behind(LOGIN)

    error = fails(at(f"{family}/m"), awaited=awaited)

    assert isinstance(error, Unreachable)
    assert f"the proxy 127.0.0.1:{proxy.port} (HTTPS_PROXY) asks for a login" in str(
        error
    )
    assert "407" in str(error)
    assert "s3cret" not in str(error)
    assert error.lasts
    assert not error.sent
    assert error.costs_nothing
    assert len(proxy.asked) == 1


@pytest.mark.parametrize(
    ("status", "says", "lasts", "shared"),
    [
        ("403 Forbidden", "have it allowed there", True, False),
        ("502 Bad Gateway", "makes no connection", False, True),
        ("503 Service Unavailable", "makes no connection", False, True),
        ("504 Gateway Timeout", "makes no connection", False, True),
    ],
)
def test_what_a_proxy_says_instead_of_a_connection(
    behind: Callable[[bytes], Proxy],
    status: str,
    says: str,
    lasts: bool,
    shared: bool,
) -> None:
    behind(answer(status))

    error = fails(at("groq/m"))

    assert isinstance(error, Unreachable)
    assert says in error.reason
    assert (error.lasts, bool(error.way)) == (lasts, shared)
    assert error.status == int(status[:3])


def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    error = fails(at("mistral/m"))

    assert isinstance(error, Unreachable)
    assert "the proxy 127.0.0.1:9 (HTTPS_PROXY) does not answer" in error.reason


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("socks5://127.0.0.1:9", "pip install 'httpx[socks]'"),
        ("proxy.corp:3128", "does not"),
        ("ftp://127.0.0.1:9", "none of http://"),
    ],
)
def test_an_address_of_a_proxy_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, written: str, says: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", written)

    error = fails(at("anthropic/m"))

    assert isinstance(error, Unreachable)
    assert "HTTPS_PROXY" in error.reason
    assert says in error.reason
    assert error.way


def test_a_proxy_answers_for_itself_where_the_address_is_not_encrypted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with proxying(LOGIN) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")

        error = fails(at("openai/m", base_url="http://gateway.test/v1"))

    assert isinstance(error, Unreachable)
    assert "HTTP_PROXY) asks for a login" in error.reason


CHAIN = ("openai", "anthropic", "gemini", "groq", "mistral", "openrouter")


def test_all_that_is_behind_the_proxy_is_passed_over_at_once_and_charged_nothing(
    behind: Callable[[bytes], Proxy], tmp_path: Path
) -> None:
    proxy = behind(LOGIN)
    chain = [at(f"{family}/m", price=DEAR) for family in CHAIN]

    run = Run(chain, tmp_path)
    ended = run.call()

    assert len(run.attempts) == len(proxy.asked) == 1
    assert len([line for line in run.lines if "asks for a login" in line]) == 1
    assert ended.count("asks for a login") == 1
    assert all(one.name in ended for one in chain)
    assert "API_KEY" not in ended + "".join(run.lines)
    assert sum(run.clock.slept) == 0


def test_nothing_is_charged_that_never_left(
    behind: Callable[[bytes], Proxy], tmp_path: Path
) -> None:
    behind(LOGIN)
    limits = ("10 requests/day", "1000 tokens/day", "1 usd/month")
    by = provider(f"front{next(_numbers)}", *limits, timeout=SECONDS)

    run = Run([deployment("m", by, model="groq/m", price=DEAR)], tmp_path)
    run.call()

    assert run.used() == [0, 0, 0]


def test_what_is_not_behind_the_proxy_goes_on(
    behind: Callable[[bytes], Proxy],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    behind(LOGIN)
    with serving() as server:
        near = at("openai/near", base_url=server.url)
        run = Run([at("anthropic/m"), at("groq/m"), near], tmp_path)

        assert run.call() == near.name
        assert run.call() == near.name
        assert len(run.attempts) == 3


def test_a_proxy_that_fails_for_a_while_is_tried_again_with_others_first(
    behind: Callable[[bytes], Proxy], tmp_path: Path
) -> None:
    proxy = behind(answer("503 Service Unavailable"))
    chain = [at("openai/m"), at("groq/m"), at("mistral/m")]

    run = Run(chain, tmp_path, max_wait=50.0)
    run.call()

    assert run.attempts == [one.name for one in chain]
    assert len(proxy.asked) == 3
    assert sum(run.clock.slept) >= 30
    assert len([line for line in run.lines if "is passed over" in line]) == 1


# The name server, the network.


@pytest.fixture
def unnamed(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes this machine one whose name server fails so."""

    def make(code: int) -> None:
        resolve = socket.getaddrinfo

        def getaddrinfo(host: Any, *rest: Any, **options: Any) -> Any:
            if str(host).startswith("127."):
                return resolve(host, *rest, **options)
            raise socket.gaierror(code, "no such name")

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return make


@AWAITED
@pytest.mark.parametrize("family", FAMILY_IDS)
def test_a_host_without_a_name_is_named(
    unnamed: Callable[[int], None], family: str, awaited: bool
) -> None:
    unnamed(socket.EAI_NONAME)

    error = fails(at(f"{family}/m"), awaited=awaited)

    host = next(one.base_url for one in FAMILIES if one.name == family) or ""
    assert isinstance(error, Unreachable)
    assert host.split("/")[2] in error.reason
    assert "there is no host named" in error.reason
    assert error.way == ""


def test_a_name_server_that_is_silent_is_silent_for_all(
    unnamed: Callable[[int], None], tmp_path: Path
) -> None:
    unnamed(socket.EAI_AGAIN)
    with serving() as server:
        near = at("openai/near", base_url=server.url)
        run = Run([at("anthropic/m"), at("groq/m"), near], tmp_path)

        assert run.call() == near.name

    assert len(run.attempts) == 2
    assert "no name server answers for api.anthropic.com" in run.lines[0]


def test_an_address_without_its_beginning_is_named(tmp_path: Path) -> None:
    asked = at("openai/m", base_url="gateway.corp/v1")

    run = Run([asked], tmp_path)
    ended = run.call()

    assert "its base_url is no address" in ended
    assert len(run.attempts) == 1


# Certificates.


def make_certificate(path: Path, *, host: str = "127.0.0.1", until: int = 2120) -> Path:
    """Signed by itself; the key is in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    since = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    subject = x509.IPAddress(ipaddress.ip_address(host))
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(since)
        .not_valid_after(since.replace(year=until))
        .add_extension(x509.SubjectAlternativeName([subject]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@contextmanager
def secured(certificate: Path) -> Iterator[str]:
    """The address of a server with this certificate, which nobody gets past."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    try:
                        context.wrap_socket(connection, server_side=True).recv(1)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@AWAITED
@pytest.mark.parametrize("family", ["openai", "mistral", "anthropic"])
def test_a_certificate_that_nobody_here_trusts_is_named(
    tmp_path: Path, family: str, awaited: bool
) -> None:
    with secured(make_certificate(tmp_path / "own.pem")) as url:
        error = fails(at(f"{family}/m", base_url=url), awaited=awaited)

    assert isinstance(error, Unreachable)
    assert "the certificate of 127.0.0.1 is not trusted here" in error.reason
    assert "SSL_CERT_FILE" in error.reason
    assert error.lasts
    assert not error.sent


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"until": 2021}, "has expired"),
        ({"host": "127.0.0.2"}, "is for another name"),
    ],
)
def test_a_trusted_certificate_may_be_wrong_otherwise(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, object],
    says: str,
) -> None:
    certificate = make_certificate(tmp_path / "own.pem", **fields)  # type: ignore[arg-type]
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with secured(certificate) as url:
        error = fails(at("openai/m", base_url=url))

    assert isinstance(error, Unreachable)
    assert says in error.reason


def test_a_server_without_tls_behind_https_is_named() -> None:
    with serving() as server:
        url = server.url.replace("http:", "https:")
        error = fails(at("openai/m", base_url=url))

    assert isinstance(error, Unreachable)
    assert "no TLS with 127.0.0.1" in error.reason
    assert "is its address http://?" in error.reason


def test_a_bad_certificate_is_met_once(tmp_path: Path) -> None:
    with secured(make_certificate(tmp_path / "own.pem")) as url, serving() as server:
        near = at("openai/near", base_url=server.url)
        run = Run([at("openai/m", base_url=url), near], tmp_path)

        assert [run.call(), run.call()] == [near.name, near.name]

    assert len(run.attempts) == 3


# What the library never sends.


KEYLESS = ("openai", "litellm_proxy", "custom_openai", "xinference")


@AWAITED
@pytest.mark.parametrize("family", KEYLESS)
def test_a_server_without_a_key_under_such_a_name_is_said_to_want_one(
    family: str, awaited: bool
) -> None:
    with serving() as server:
        asked = at(f"{family}/m", base_url=server.url, api_key=None)
        error = fails(asked, awaited=awaited)

        assert server.requests == []
    assert isinstance(error, Unsendable)
    assert "without a key" in error.reason
    assert "lm_studio/m" in error.reason
    assert error.costs_nothing


@AWAITED
def test_a_package_that_is_missing_is_named(awaited: bool) -> None:
    error = fails(at("vllm/m", base_url="http://127.0.0.1:9/v1"), awaited=awaited)

    assert isinstance(error, Unsendable)
    assert "the Python package vllm is missing" in error.reason


@pytest.mark.parametrize("family", ["no_such", "nosuch"])
def test_a_provider_that_the_library_does_not_know_is_named(family: str) -> None:
    error = fails(at(f"{family}/m", base_url="http://127.0.0.1:9/v1"))

    assert isinstance(error, Unsendable)
    assert f"knows no provider {family}/" in error.reason


@pytest.mark.parametrize("model", ["vllm/m", "nosuch/m"])
def test_what_never_left_is_never_tried_again_and_its_cause_is_reported_once(
    model: str, tmp_path: Path
) -> None:
    with serving() as server:
        by = new_provider(api_key=None, local=True, base_url=server.url)
        run = Run([deployment("own", by, model=model)], tmp_path)

        ends = [run.call() for _ in range(3)]

        assert server.posted == []
    assert len(run.attempts) == 1
    assert len(run.lines) == 1
    assert all(run.lines[0].partition(": ")[2] in end for end in ends)
    assert sum(run.clock.slept) == 0


# The same wording through each family's own way in litellm.

PAGE = "<!DOCTYPE html><html><title>Just a moment...</title></html>"
NGINX = "<html><center><h1>413 Request Entity Too Large</h1></center></html>"
OUT_OF_DAY = {"x-ratelimit-reset-tokens-day": "33011"}
ANSWERS = [
    (403, PAGE, {"content-type": "text/html"}, Blocked, None),
    (413, NGINX, {"content-type": "text/html"}, ContextTooLong, None),
    (429, {"error": {"message": "slow"}}, OUT_OF_DAY, RateLimited, 33_011.0),
    (429, {"error": {"message": "try again in 7m12s"}}, {}, RateLimited, 432.0),
    (429, {"error": {"code": "queue_exceeded", "message": "x"}}, {}, Overloaded, None),
    (500, {"error": "requires more system memory"}, {}, ModelGone, None),
]
ALL_IDS = (
    *FAMILY_IDS,
    "cerebras",
    "deepseek",
    "hosted_vllm",
    "lm_studio",
    "moonshot",
    "nvidia_nim",
    "ollama_chat",
    "together_ai",
)


@AWAITED
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("family", ALL_IDS)
def test_every_familys_answer_reaches_us_with_its_headers_and_its_words(
    family: str, stream: bool, awaited: bool
) -> None:
    on_chunk = (lambda chunk: None) if stream else None
    with serving() as server:
        asked = at(f"{family}/m", base_url=server.url)
        found = []
        for status, body, headers, _, _ in ANSWERS:
            server.canned, server.headers = (status, body), headers
            with pytest.raises(ProviderError) as caught:
                if awaited:
                    asyncio.run(acomplete(asked, HELLO, on_chunk))
                else:
                    complete(asked, HELLO, on_chunk)
            found.append((type(caught.value), caught.value.retry_after))

    assert found == [(kind, wait) for *_, kind, wait in ANSWERS]


@AWAITED
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("family", ALL_IDS)
def test_a_page_in_place_of_an_answer_is_named(
    family: str, stream: bool, awaited: bool
) -> None:
    on_chunk = (lambda chunk: None) if stream else None
    with serving() as server:
        server.canned = 200, "<!DOCTYPE html><html>Log in to this network</html>"
        asked = at(f"{family}/m", base_url=server.url)
        with pytest.raises(Blocked, match="a web page came in place of an answer"):
            if awaited:
                asyncio.run(acomplete(asked, HELLO, on_chunk))
            else:
                complete(asked, HELLO, on_chunk)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_place_comes_free_when_nothing_left(
    kind: str, behind: Callable[[bytes], Proxy], tmp_path: Path
) -> None:
    behind(answer("503 Service Unavailable"))
    limits = ("1 concurrent", "10 requests/day", "1000 tokens/day")
    by = provider(f"front{next(_numbers)}", *limits, timeout=SECONDS)

    run = Run([deployment("m", by, model="groq/m")], tmp_path, max_wait=150.0)
    if kind == "sqlite":
        run.use(open_store(f"sqlite:///{tmp_path}/quota.db", run.clock))
    run.call()

    assert len(run.attempts) == 3
    assert run.used() == [0, 0, 0]


# An error in place of an answer, with no status of its own.

IN_STREAMS = [
    (
        "The number of tokens to keep from the initial prompt is greater than the "
        "context length (n_keep: 13055>= n_ctx: 4096).",
        ContextTooLong,
    ),
    ("tools param requires --jinja flag", Unsupported),
    ("This organization has been disabled.", Blocked),
    ("Insufficient balance", OutOfMoney),
    ("model requires more system memory (9 GiB) than is available", ModelGone),
]


@pytest.mark.parametrize(("message", "kind"), IN_STREAMS, ids=lambda v: str(v)[:30])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_error_without_a_status_is_read_by_its_words(
    message: str, kind: type[ProviderError], stream: bool
) -> None:
    body = json.dumps({"error": {"message": message, "type": "error"}})
    with serving() as server:
        server.canned = 200, f"data: {body}\n\n" if stream else body
        if stream:
            server.headers = {"content-type": "text/event-stream"}
        asked = at("openai/m", base_url=server.url)
        with pytest.raises(ProviderError) as caught:
            complete(asked, HELLO, (lambda chunk: None) if stream else None)

    assert type(caught.value) is kind


# A slow one, and what `crew check --online` says.


def test_a_timeout_names_its_seconds_and_its_key() -> None:
    with serving() as server:
        server.replies["m"] = ["timeout"]
        by = provider(f"front{next(_numbers)}", timeout=0.2, base_url=server.url)
        error = fails(deployment("m", by, model="openai/m"))

    assert isinstance(error, TimedOut)
    assert error.reason == "no answer in 0.2 s (timeout in providers.yaml)"


def test_a_question_of_check_meets_the_proxy_as_well(
    behind: Callable[[bytes], Proxy],
) -> None:
    behind(LOGIN)
    endpoint = Endpoint(provider=new_provider(), family="groq")

    error = fetch(endpoint, "GET", "models", seconds=SECONDS)

    assert isinstance(error, Unreachable)
    assert "asks for a login" in error.reason


def test_a_question_of_check_meets_the_certificate_as_well(tmp_path: Path) -> None:
    with secured(make_certificate(tmp_path / "own.pem")) as url:
        endpoint = Endpoint(provider=new_provider(), family="openai", base_url=url)
        error = fetch(endpoint, "GET", "models", seconds=SECONDS)

    assert isinstance(error, Unreachable)
    assert "is not trusted here" in error.reason


def test_a_firewall_is_met_once_and_no_key_is_blamed(tmp_path: Path) -> None:
    with serving() as server:
        server.canned = 403, "<!DOCTYPE html><html>Just a moment...</html>"
        server.headers = {"content-type": "text/html", "cf-mitigated": "challenge"}
        first = at("openai/m", base_url=server.url)
        error = fails(first)
        run = Run(
            [first, deployment("other", first.provider, base_url=server.url)], tmp_path
        )
        ended = run.call()

    assert isinstance(error, Blocked)
    assert len(run.attempts) == 1
    assert "a firewall before it" in ended
    assert "API_KEY" not in ended + "".join(run.lines)
    assert error.costs_nothing
    assert run.guard.status()[0].cooldown_until is None
