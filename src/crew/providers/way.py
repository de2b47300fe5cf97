"""What broke on the way to a provider: a proxy, the name server, the network, a
certificate. Nothing was sent then, and the provider is not to blame."""

import errno
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from crew.errors import Unreachable
from crew.providers.destination import address
from crew.settings import Deployment

NETWORK = "the network"
_DOWN = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)
_NAME_SERVER_SILENT = (socket.EAI_AGAIN,)
_EXPIRED, _OTHER_NAME = 10, (62, 63, 64)
"""What OpenSSL calls these in `verify_code`."""
_ITS_ADDRESS = "the proxy's address in {} cannot be used"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy of this machine. `variable` is where it is set, `place` its host and
    port: never what the address says of a login."""

    variable: str
    place: str

    def __str__(self) -> str:
        return f"the proxy {self.place} ({self.variable})"


def proxy_of(url: str) -> Proxy | None:
    """The proxy that a call to the address goes through, as httpx finds it."""
    parts = urlsplit(url or "https://")
    found = getproxies()
    scheme = parts.scheme if parts.scheme in found else "all"
    written = found.get(scheme)
    if not written or (parts.hostname and proxy_bypass(parts.hostname)):
        return None
    place = written.rpartition("@")[2].rpartition("//")[2].partition("/")[0]
    return Proxy(variable=f"{scheme.upper()}_PROXY", place=place)


def way_of(deployment: Deployment) -> str:
    """What calls to the deployment depend on, together with others: a proxy, or the
    network and its name server. Empty for an address on this machine, or in numbers."""
    url = address(deployment) or ""
    proxy = proxy_of(url)
    if proxy is not None:
        return str(proxy)
    host = urlsplit(url).hostname or "somewhere"
    return "" if host == "localhost" or _is_number(host) else NETWORK


def _is_number(host: str) -> bool:
    """Whether no name server is asked for it."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def causes_of(exc: BaseException) -> Iterator[BaseException]:
    """An exception and everything it was raised from."""
    seen: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def broken(
    name: str, exc: BaseException, *, url: str = "", seconds: float = 0.0
) -> Unreachable | None:
    """What broke before the request left; None where it may have left. `url` is where
    it went, `seconds` how long a connection may take."""
    causes = list(causes_of(exc))
    url = _asked(causes) or url
    host = urlsplit(url).hostname or name
    proxy = proxy_of(url)
    if proxy is not None and any(_is_no_proxy(cause) for cause in causes):
        what = f"{_ITS_ADDRESS.format(proxy.variable)}: {_why_no_proxy(causes)}"
        return _unreachable(name, what, way=str(proxy), lasts=True)
    for cause in causes:
        if isinstance(cause, httpx.ProxyError):
            return proxy_refuses(name, url, _status(str(cause)))
    if any(isinstance(c, httpx.UnsupportedProtocol | httpx.InvalidURL) for c in causes):
        what = "its base_url is no address that begins with http:// or https://"
        return _unreachable(name, what, lasts=True)
    if not any(isinstance(c, _NO_CONNECTION) for c in causes):
        return None
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return _unreachable(name, _certificate(host, cause), lasts=True)
    if proxy is not None:
        what = f"{proxy} does not answer; start it, or correct {proxy.variable}"
        return _unreachable(name, what, way=str(proxy))
    return _not_connected(name, host, causes, seconds)


_NO_CONNECTION = (httpx.ConnectError, httpx.ConnectTimeout, ConnectionRefusedError)


def proxy_refuses(name: str, url: str, status: int | None) -> Unreachable:
    """What a proxy says in place of a connection."""
    proxy = proxy_of(url)
    variable = proxy.variable if proxy else "HTTPS_PROXY"
    who = str(proxy) if proxy else "a proxy on the way"
    if status == 407:
        what = f"{who} asks for a login; put the user and the password into {variable}"
        return _unreachable(name, what, status=status, way=who, lasts=True)
    if status is not None and status < 500:
        host = urlsplit(url).hostname or name
        what = f"{who} refuses to connect to {host}; have it allowed there"
        return _unreachable(name, what, status=status, lasts=True)
    what = f"{who} makes no connection; check it"
    return _unreachable(name, what, status=status, way=who)


def _not_connected(
    name: str, host: str, causes: Sequence[BaseException], seconds: float
) -> Unreachable:
    for cause in causes:
        if isinstance(cause, socket.gaierror):
            if cause.errno in _NAME_SERVER_SILENT:
                what = f"no name server answers for {host}; check the network"
                return _unreachable(name, what, way=NETWORK)
            what = f"there is no host named {host}; check base_url and the network"
            return _unreachable(name, what)
        if isinstance(cause, OSError) and cause.errno in _DOWN:
            what = f"the network has no way to {host}; check its connection"
            return _unreachable(name, what, way=NETWORK)
    if any(isinstance(cause, httpx.ConnectTimeout) for cause in causes):
        return _unreachable(name, f"no connection in {seconds:g} s")
    return _unreachable(name, "no connection")


def _certificate(host: str, error: ssl.SSLError) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        what = error.reason or "the handshake failed"
        return f"no TLS with {host} ({what}); is its address http://?"
    if error.verify_code == _EXPIRED:
        return f"the certificate of {host} has expired; check this machine's clock"
    if error.verify_code in _OTHER_NAME:
        return f"the certificate of {host} is for another name; check base_url"
    return (
        f"the certificate of {host} is not trusted here ({error.verify_message}); if "
        "the network replaces certificates, name the file of its authority in "
        "SSL_CERT_FILE"
    )


def _asked(causes: Sequence[BaseException]) -> str:
    for cause in causes:
        if isinstance(cause, httpx.RequestError):
            with suppress(RuntimeError):  # httpx: no request belongs to it
                return str(cause.request.url)
    return ""


def _is_no_proxy(cause: BaseException) -> bool:
    """httpx finds out when its client is made."""
    text = str(cause)
    return isinstance(cause, ImportError | ValueError | httpx.InvalidURL) and (
        "SOCKS proxy" in text or "proxy URL" in text
    )


def _why_no_proxy(causes: Sequence[BaseException]) -> str:
    if any(isinstance(cause, ImportError) for cause in causes):
        return "SOCKS needs the package socksio (pip install 'httpx[socks]')"
    return "it begins with none of http://, https://, socks5://"


def _status(text: str) -> int | None:
    """ "407 Proxy Authentication Required", as httpx puts it."""
    digits = text[:3]
    return int(digits) if digits.isdecimal() and len(digits) == 3 else None


def _unreachable(
    name: str,
    what: str,
    *,
    status: int | None = None,
    way: str = "",
    lasts: bool = False,
) -> Unreachable:
    error = Unreachable(name, what, status=status)
    error.way, error.lasts = way, lasts
    return error
