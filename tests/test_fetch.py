"""Images by their address: only the open internet is asked, whatever it is called."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest

from crew.images.fetch import IPAddress, NotFetched, fetch, is_public, problem
from crew.images.image import IMAGE_BYTES

PRIVATE = "private or reserved"


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://localhost/a.png", PRIVATE),
        ("http://LOCALHOST./a.png", PRIVATE),
        ("http://shop.localhost/a.png", PRIVATE),
        ("http://127.0.0.1/a.png", PRIVATE),
        ("http://127.0.0.1./a.png", PRIVATE),
        ("http://127.1/a.png", PRIVATE),
        ("http://127.255.255.254:8080/", PRIVATE),
        ("http://2130706433/a.png", PRIVATE),
        ("http://0x7f000001/", PRIVATE),
        ("http://0x7f.1/", PRIVATE),
        ("http://0177.0.0.1/", PRIVATE),
        ("http://017700000001/", PRIVATE),
        ("http://0/", PRIVATE),
        ("http://0.0.0.0/", PRIVATE),
        ("http://①②⑦.0.0.1/", PRIVATE),
        ("http://127。0。0。1/", PRIVATE),
        ("http://10.1.2.3/", PRIVATE),
        ("http://172.16.0.1/", PRIVATE),
        ("http://192.168.1.1/", PRIVATE),
        ("http://169.254.169.254/latest/meta-data/", PRIVATE),
        ("http://100.64.0.1/", PRIVATE),
        ("http://168.63.129.16/", PRIVATE),
        ("http://224.0.0.1/", PRIVATE),
        ("http://255.255.255.255/", PRIVATE),
        ("http://240.0.0.1/", PRIVATE),
        ("http://198.18.0.1/", PRIVATE),
        ("http://[::1]/", PRIVATE),
        ("http://[::]/", PRIVATE),
        ("http://[0:0:0:0:0:0:0:1]:80/", PRIVATE),
        ("http://[::ffff:127.0.0.1]/", PRIVATE),
        ("http://[::ffff:a00:1]/", PRIVATE),
        ("http://[::127.0.0.1]/", PRIVATE),
        ("http://[64:ff9b::127.0.0.1]/", PRIVATE),
        ("http://[64:ff9b::a9fe:a9fe]/", PRIVATE),
        ("http://[2002:7f00:1::]/", PRIVATE),
        ("http://[fe80::1]/", PRIVATE),
        ("http://[fe80::1%25eth0]/", "its host is not"),
        ("http://[fc00::1]/", PRIVATE),
        ("http://[fd00:ec2::254]/", PRIVATE),
        ("http://[fec0::1]/", PRIVATE),
        ("http://[ff02::1]/", PRIVATE),
        ("ftp://example.org/a.png", "only http"),
        ("file:///etc/passwd", "only http"),
        ("gopher://example.org/", "only http"),
        ("//example.org/a.png", "only http"),
        ("http://user@example.org/a.png", "user name"),
        ("http://user:secret@example.org/a.png", "user name"),
        ("http://@example.org/a.png", "user name"),
        ("http://example.org\\@127.0.0.1/", "backslashes"),
        ("http://example.org/a b.png", "spaces"),
        ("http://exam\nple.org/", "spaces"),
        ("http://", "not an address"),
        ("http://./", "not a name"),
        ("http://[", "not an address"),
        ("http://example.org:99999/", "not an address"),
        ("http://example.org:0/", "not an address"),
        ("http://a..b/", "not a name"),
    ],
)
def test_an_address_that_must_not_be_asked_is_refused_without_a_network(
    address: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*_: object, **__: object) -> None:
        raise AssertionError("it asked the network")

    monkeypatch.setattr(socket, "getaddrinfo", ask)

    assert why in (problem(address) or "")
    with pytest.raises(NotFetched, match=why):
        fetch(address)


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/a.png",
        "http://example.org:8080/a.png?size=2#top",
        "https://example.org./a.png",
        "https://münchen.de/a.png",
        "https://93.184.215.14/a.png",
        "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/a.png",
        "https://[64:ff9b::5db8:d70e]/a.png",
    ],
)
def test_an_address_of_the_open_internet_is_allowed(address: str) -> None:
    assert problem(address) is None


class Site(BaseHTTPRequestHandler):
    """Pages by their path, on loopback: a web site and no provider, that redirects to
    anywhere, cuts off and drips."""

    protocol_version = "HTTP/1.1"
    places: tuple[str, ...] = ("/a%20b.png?size=2", "/a.png")

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.asked.append((self.headers["host"], self.path))
        moves = {
            "/moved": "/a.png",
            "/inside": f"http://127.0.0.2:{server.server_port}/a.png",
            "/decimal": "http://2130706434/a.png",
            "/file": "file:///etc/passwd",
            "/broken": "http://[",
            "/circle": "/circle",
        }
        if self.path in moves:
            self._send(302, b"", location=moves[self.path])
        elif self.path in self.places:
            self._send(200, b"image")
        elif self.path == "/endless":
            self._slowly(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n", b"x")
        elif self.path == "/headers":
            self._slowly(b"HTTP/1.1 200 OK\r\n", b"x")
        elif self.path == "/large":
            self._send(200, b"x" * (IMAGE_BYTES + 1))
        elif self.path == "/cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\nx")
            self.close_connection = True
        else:
            self._send(404, b"no such page")

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def _slowly(self, head: bytes, piece: bytes) -> None:
        assert isinstance(self.server, Server)
        self.close_connection = True
        try:
            self.wfile.write(head)
            while not self.server.stop.wait(0.05):
                self.wfile.write(piece)
        except OSError:
            return


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Site)
        self.asked: list[tuple[str, str]] = []
        self.stop = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def site() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.stop.set()
    server.shutdown()
    server.server_close()
    thread.join()


def only_here(ip: IPAddress) -> bool:
    return ip == ip_address("127.0.0.1")


@pytest.mark.parametrize("path", ["/a.png", "/moved", "/a%20b.png?size=2"])
def test_what_is_there_is_fetched(site: Server, path: str) -> None:
    assert fetch(site.url + path, allowed=only_here) == b"image"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/gone", "status 404"),
        ("/inside", PRIVATE),
        ("/decimal", PRIVATE),
        ("/file", "only http"),
        ("/broken", "not an address"),
        ("/circle", "more than 5 times"),
        ("/large", "larger than 50 MB"),
        ("/cut", "no connection"),
    ],
)
def test_what_is_not_there_or_leads_elsewhere_is_refused(
    site: Server, path: str, why: str
) -> None:
    with pytest.raises(NotFetched, match=why):
        fetch(site.url + path, allowed=only_here)

    assert {where for _, where in site.asked} == {path}


@pytest.mark.parametrize("path", ["/endless", "/headers"])
def test_a_server_that_sends_a_byte_at_a_time_does_not_hold_us(
    site: Server, path: str
) -> None:
    with pytest.raises(NotFetched, match="within"):
        fetch(site.url + path, allowed=only_here, seconds=0.3)


def test_nothing_that_listens_is_no_connection() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        with pytest.raises(NotFetched, match="no connection"):
            fetch(f"http://127.0.0.1:{port}/", allowed=only_here)


def answering(*addresses: str) -> list[tuple[object, ...]]:
    return [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))
        for address in addresses
    ]


@pytest.mark.parametrize(
    "addresses",
    [
        ("10.0.0.1",),
        ("::1",),
        ("fe80::1%eth0",),
        ("93.184.215.14", "127.0.0.1"),
    ],
)
def test_a_name_that_leads_to_a_private_address_is_refused(
    addresses: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answering(*addresses))

    with pytest.raises(NotFetched, match=PRIVATE):
        fetch("http://example.org/a.png")


def test_a_name_is_looked_up_once_and_that_address_is_asked(
    site: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []

    def look_up(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        looked_up.append(host)
        return answering("127.0.0.1" if len(looked_up) == 1 else "127.0.0.2")

    real = socket.getaddrinfo

    def resolve(host: str, *rest: object, **more: object) -> object:
        literal = host.replace(".", "").isdigit()
        return (real if literal else look_up)(host, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    port = site.server_port

    content = fetch(f"http://Example.org.:{port}/a.png", allowed=only_here)

    assert content == b"image"
    assert looked_up == ["example.org"]
    assert site.asked == [(f"example.org:{port}", "/a.png")]


def test_a_name_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with pytest.raises(NotFetched, match="not known here"):
        fetch("http://nowhere.example/a.png")


def test_a_proxy_of_the_environment_is_not_asked(
    site: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

    assert fetch(site.url + "/a.png", allowed=only_here) == b"image"


@pytest.mark.parametrize(
    ("ip", "expected"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        ("192.0.0.8", False),
        ("192.88.99.1", False),
        ("2001::1", False),
        ("2001:db8::1", False),
    ],
)
def test_public_is_what_the_open_internet_reaches(ip: str, expected: bool) -> None:
    assert is_public(ip_address(ip)) is expected
