"""One POST to a webhook, within a bound on its time; no redirect is followed."""

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from crew.clock import Clock

if TYPE_CHECKING:
    from http.client import HTTPConnection

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})\b")
_LINE = 1_024
_LATER = (408, 425, 429)


class Refused(Exception):
    """The webhook did not take it. `again`: a second try may help. Its text holds
    nothing of the address."""

    def __init__(self, reason: str, *, again: bool) -> None:
        super().__init__(reason)
        self.again = again


def post(address: str, body: bytes, clock: Clock, *, seconds: float) -> None:
    """Send a document of JSON. Raises Refused."""
    # Imported here: it takes time to load, and few send alerts.
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    until = clock.monotonic() + seconds
    parts = urlsplit(address)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=seconds)
    target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    headers = {"Content-Type": "application/json", "User-Agent": "crew"}
    try:
        connection.request("POST", target, body, headers)
        answer = _first_line(connection, clock, until)
    except TimeoutError:
        raise Refused(f"no answer within {seconds:.0f} s", again=False) from None
    except (OSError, HTTPException, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or type(exc).__name__
        raise Refused(reason, again=True) from None
    finally:
        connection.close()
    match = _STATUS.match(answer)
    status = int(match[1]) if match else None
    if status is None:
        raise Refused("no answer in HTTP", again=False)
    if 300 <= status < 400:
        raise Refused(f"a redirect ({status}), which is not followed", again=False)
    if not 200 <= status < 300:
        raise Refused(f"status {status}", again=status >= 500 or status in _LATER)


def _first_line(connection: "HTTPConnection", clock: Clock, until: float) -> bytes:
    """What is answered, up to the status: a body could come without an end. Raises
    TimeoutError, OSError."""
    answer = b""
    while b"\n" not in answer and len(answer) < _LINE:
        left = until - clock.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.sock.settimeout(left)
        part = connection.sock.recv(_LINE)
        if not part:
            break
        answer += part
    return answer
