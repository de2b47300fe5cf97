"""One HTTP request to a provider, outside of litellm: with its headers, in a limited
time, and with an answer of a limited size."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from crew.clock import SystemClock
from crew.errors import (
    BadAnswer,
    BadKey,
    ProviderError,
    TimedOut,
    Unreachable,
)
from crew.providers.families.registry import family
from crew.providers.signals import classify
from crew.providers.way import broken, proxy_refuses
from crew.settings import Deployment, Provider

MOST_BYTES = 8_000_000
"""An answer may be this long; OpenRouter's list of 381 models has about one million
(2026-11)."""

# A network keeps real time, whatever clock a run has.
_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a provider is asked, and whose protocol is spoken there. `base_url` is the
    YAML's; None: the family's own host."""

    provider: Provider
    family: str
    base_url: str | None = None

    @classmethod
    def of(cls, deployment: Deployment) -> "Endpoint":
        """The door that calls to the deployment go through."""
        return cls(
            provider=deployment.provider,
            family=deployment.family,
            base_url=deployment.base_url or deployment.provider.base_url,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back with the status 200. `body` is JSON."""

    body: object
    headers: Mapping[str, str]


def fetch(
    endpoint: Endpoint,
    method: str,
    path: str,
    *,
    seconds: float,
    query: Mapping[str, str] | None = None,
    body: object = None,
) -> Reply | ProviderError:
    """Ask one question. A redirect is not followed: the key is for this host only."""
    name = endpoint.provider.name
    base = endpoint.base_url or family(endpoint.family).base_url
    if base is None:
        return Unreachable(name, "its address is not known")
    ends = _CLOCK.monotonic() + seconds
    try:
        with httpx.stream(
            method,
            f"{base.rstrip('/')}/{path}",
            params=query,
            json=body,
            headers=_headers(endpoint),
            timeout=seconds,
            follow_redirects=False,
            verify=not base.startswith("http://"),  # no need to read certificates
        ) as answer:
            content = _received(answer, ends)
    except UnicodeError:
        # Its text would show the key.
        return BadKey(name, "the key, or a header, is not ASCII")
    # httpx raises the last two for a proxy's address that it cannot use.
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, ImportError) as exc:
        if (known := broken(name, exc, url=base, seconds=seconds)) is not None:
            return known
        if isinstance(exc, httpx.TimeoutException):
            return TimedOut(name, f"no answer in {seconds:.0f} s")
        return Unreachable(name, "no connection")
    if len(content) > MOST_BYTES:
        return BadAnswer(name, "the answer is too long")
    return _read(endpoint, answer, content.decode("utf-8", errors="replace"))


def _received(answer: httpx.Response, ends: float) -> bytearray:
    """The answer, cut off where it is too long. Raises httpx.ReadTimeout."""
    content = bytearray()
    # Raw: a small packed answer may be a very large one.
    for chunk in answer.iter_raw():
        content += chunk
        if len(content) > MOST_BYTES:
            break
        if _CLOCK.monotonic() > ends:
            raise httpx.ReadTimeout("the time is over")
    return content


def _read(
    endpoint: Endpoint, answer: httpx.Response, text: str
) -> Reply | ProviderError:
    name, status = endpoint.provider.name, answer.status_code
    if status == 407:
        return proxy_refuses(name, str(answer.url), status)
    if 300 <= status < 400:
        return BadAnswer(name, "it redirects; correct its base_url", status=status)
    if status != 200:
        return classify(name, status, text, answer.headers, family=endpoint.family)
    try:
        return Reply(body=json.loads(text), headers=answer.headers)
    except (ValueError, RecursionError):
        return BadAnswer(name, "no JSON came back")


def _headers(endpoint: Endpoint) -> httpx.Headers:
    """The provider's own headers win, as they do in a call."""
    headers = httpx.Headers({"accept-encoding": "identity"})
    headers.update(family(endpoint.family).key_headers(endpoint.provider.api_key or ""))
    headers.update(dict(endpoint.provider.headers))
    return headers
