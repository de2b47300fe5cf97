"""Images by their web address: which addresses may be asked, and asking them.

We fetch an image ourselves and send it to the model as a `data:` URL, whatever the
provider could do. One rule then holds for all of them: litellm itself fetches
addresses for Gemini, Ollama and (http only) Anthropic, and hands them on for others,
which may not take the format or may be refused by the image's host. A size that no
provider takes is scaled down, and every deployment of a chain sees the same picture.
The price: what this machine cannot reach, or only through a proxy, has to be
downloaded and given as a file.

A connection is made to an address that was looked up and checked in the same step, so
a name that answers differently the second time, or a redirect, leads nowhere else.
"""

import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from ssl import SSLContext
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import httpcore
import httpx

from crew.clock import SystemClock
from crew.errors import CrewError
from crew.images.image import IMAGE_BYTES

SECONDS = 30.0
"""How long fetching one image may take, redirects included; looking up a name takes as
long as the system lets it."""

REDIRECTS = 5

IPAddress = IPv4Address | IPv6Address
Rule = Callable[[IPAddress], bool]

_NAT64 = ip_network("64:ff9b::/96")
_REFUSED: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(text)
    for text in (
        "168.63.129.16/32",  # Azure: reaches the host from inside a machine there
        "192.0.0.0/24",  # of the protocol's own; Python calls parts of it global
        "192.88.99.0/24",  # relays of 6to4
        "2002::/16",  # 6to4: an IPv4 address inside
        "64:ff9b:1::/48",  # NAT64 of a network's own
        "fec0::/10",  # site-local
    )
)
"""What `is_global` lets pass."""


class NotFetched(CrewError):
    """The address of an image is refused, or no image came from there."""


def is_public(ip: IPAddress) -> bool:
    """Whether an address is one of the open internet: not loopback, private,
    link-local, multicast or reserved, in whatever form it is embedded."""
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(ip.ipv4_mapped)
        if ip in _NAT64:  # what names resolve to in a network of IPv6 alone
            return is_public(IPv4Address(int(ip) & 0xFFFF_FFFF))
    special = ip.is_multicast or ip.is_reserved or ip.is_unspecified
    return ip.is_global and not special and not any(ip in one for one in _REFUSED)


def problem(address: str, allowed: Rule = is_public) -> str | None:
    """What can be seen to be wrong with an address without any network."""
    try:
        host = _host(_split(address))
        ip = _literal(host)
        if ip is not None:
            _check([ip], allowed)
    except NotFetched as exc:
        return str(exc)
    return None


def fetch(
    address: str, *, allowed: Rule = is_public, seconds: float = SECONDS
) -> bytes:
    """What is at an http(s) address; `allowed` says which hosts may be asked. Raises
    NotFetched."""
    clock = SystemClock()  # sockets know no other
    ends = clock.monotonic() + seconds
    network = _CheckedNetwork(allowed, lambda: ends - clock.monotonic())
    certificates = cache(httpx.create_ssl_context)  # reading them takes 20 ms
    try:
        for _ in range(REDIRECTS + 1):
            if wrong := problem(address, allowed):
                raise NotFetched(wrong)
            parts = _split(address)
            tls = certificates() if parts.scheme == "https" else None
            found = _ask(parts, network, tls)
            if isinstance(found, bytes):
                return found
            address = _joined(address, found)
    except httpcore.TimeoutException:
        raise NotFetched(f"no image came within {seconds:.0f} s") from None
    except (httpcore.NetworkError, httpcore.ProtocolError) as exc:
        raise NotFetched(f"there is no connection: {exc}") from exc
    raise NotFetched(f"it redirects more than {REDIRECTS} times")


def _ask(
    parts: SplitResult, network: "_CheckedNetwork", tls: SSLContext | None
) -> bytes | str:
    """The content, or where a redirect leads."""
    host = _host(parts)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    url = httpcore.URL(
        scheme=parts.scheme,
        host=host,
        port=parts.port,
        target=quote(target, safe="%/?:@!$&'()*+,;=~-._[]"),
    )
    named = f"[{host}]" if ":" in host else host
    headers = [
        ("host", named if parts.port is None else f"{named}:{parts.port}"),
        ("user-agent", "crew"),
        ("accept", "image/png, image/jpeg, image/webp, image/gif"),
        ("accept-encoding", "identity"),  # nothing that could unpack to any size
    ]
    with (
        httpcore.ConnectionPool(ssl_context=tls, network_backend=network) as pool,
        pool.stream("GET", url, headers=headers) as answer,
    ):
        if answer.status in (301, 302, 303, 307, 308):
            for name, value in answer.headers:
                if name.lower() == b"location":
                    return value.decode("latin-1")
        if answer.status != 200:
            raise NotFetched(f"the server answered with status {answer.status}")
        return _bounded(answer.iter_stream())


def _joined(address: str, location: str) -> str:
    try:
        return urljoin(address, location)
    except ValueError:
        raise NotFetched("it redirects to what is not an address") from None


def _bounded(chunks: Iterable[bytes]) -> bytes:
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > IMAGE_BYTES:
            raise NotFetched(f"it is larger than {IMAGE_BYTES // 2**20} MB")
    return bytes(content)


def _split(address: str) -> SplitResult:
    if any(character <= " " or character in "\\\x7f" for character in address):
        # `urlsplit` would drop some of them, others read the host differently.
        raise NotFetched("spaces and backslashes must be written as %20 and %5C")
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise NotFetched("it is not an address") from None
    if parts.scheme not in ("http", "https"):
        raise NotFetched("only http:// and https:// addresses are allowed")
    if "@" in parts.netloc:
        raise NotFetched("it must not hold a user name or a password")
    if not parts.hostname or port == 0:
        raise NotFetched("it is not an address")
    return parts


def _host(parts: SplitResult) -> str:
    """The host in ASCII, without the dot that may end a name."""
    try:
        host = (parts.hostname or "").rstrip(".").encode("idna").decode("ascii")
    except UnicodeError:
        host = ""
    if not host or "%" in host:
        raise NotFetched("its host is not a name or an address")
    return host


def _literal(host: str) -> IPAddress | None:
    """The address that a host spells, in whatever way; None for a name."""
    if host == "localhost" or host.endswith(".localhost"):
        return IPv4Address("127.0.0.1")
    with suppress(ValueError):
        return ip_address(host)
    with suppress(OSError):  # 2130706433, 0x7f.1, 0177.0.0.1 and 127.1 are one
        return IPv4Address(socket.inet_aton(host))
    return None


def _resolved(host: str, port: int) -> list[IPAddress]:
    if (ip := _literal(host)) is not None:
        return [ip]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NotFetched("its host is not known here") from None
    names = [str(entry[4][0]).partition("%")[0] for entry in found]
    return [ip_address(name) for name in dict.fromkeys(names)]


def _check(found: list[IPAddress], allowed: Rule) -> None:
    if not all(allowed(ip) for ip in found):
        raise NotFetched(
            "its host is private or reserved; download the image and give the file"
        )


class _CheckedNetwork(httpcore.NetworkBackend):
    """Connects only to what the rule allows, and for so long as there is time left."""

    def __init__(self, allowed: Rule, left: Callable[[], float]) -> None:
        self._allowed = allowed
        self._left = left

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        found = _resolved(host, port)
        _check(found, self._allowed)
        failure: Exception = httpcore.ConnectError("no address")
        for ip in found:
            try:
                stream = httpcore.SyncBackend().connect_tcp(
                    str(ip), port, _clipped(self._left)
                )
                return _TimedStream(stream, self._left)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                failure = exc  # IPv6 may be known here and lead nowhere
        raise failure


class _TimedStream(httpcore.NetworkStream):
    """A connection with one end for all that is done on it: a timeout for each read
    would let a server send one byte at a time for ever."""

    def __init__(
        self, stream: httpcore.NetworkStream, left: Callable[[], float]
    ) -> None:
        self._stream = stream
        self._left = left

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _clipped(self._left))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _clipped(self._left))

    def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(
            ssl_context, server_hostname, _clipped(self._left)
        )
        return _TimedStream(secured, self._left)


def _clipped(left: Callable[[], float]) -> float:
    seconds = left()
    if seconds <= 0:
        raise httpcore.ReadTimeout("no time is left")
    return seconds
