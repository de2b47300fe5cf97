"""Whatever litellm raises becomes one class of our own error tree."""

import json
from collections.abc import Iterator, Mapping

import httpx
import openai
import openai.resources

from crew.errors import BadAnswer, BadKey, ProviderError, TimedOut, Unreachable
from crew.providers.answer_end import End
from crew.providers.bodies import read_body
from crew.providers.exchange import Redirected
from crew.providers.signals import classify
from crew.settings import Deployment


def disguised(
    deployment: Deployment, error: object, now: float | None
) -> ProviderError:
    """What an error inside a 200 stands for."""
    body = json.dumps({"error": error}, default=str)
    status = error.get("code") if isinstance(error, dict) else None
    if not isinstance(status, int) or not 400 <= status < 600:
        status = _status_in(read_body(body).words)
    if isinstance(status, int):
        return _classified(deployment, status, body, {}, now)
    return BadAnswer(deployment.name, "an error came in place of the answer")


def _status_in(words: str) -> int | None:
    """The status that an error without one stands for, by what it says."""
    for status, known in _IN_WORDS.items():
        if any(word in words for word in known):
            return status
    return None


_IN_WORDS: Mapping[int, tuple[str, ...]] = {
    529: ("overloaded",),
    429: ("rate_limit", "rate limit", "resource_exhausted"),
}
"""Errors in a stream have words, and no status (Anthropic, OpenAI; 2026-11)."""

_PREFIX = "llm_provider-"


def unwrapped(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers in lower case, those of the provider behind by their own names:
    litellm puts a prefix before them, and once more where a litellm proxy answers.
    What has no prefix goes first."""
    found: dict[str, str] = {}
    for name, value in sorted(headers.items(), key=lambda one: one[0].count(_PREFIX)):
        found.setdefault(name.lower().replace(_PREFIX, ""), value)
    return found


def _classified(
    deployment: Deployment,
    status: int,
    body: str,
    headers: Mapping[str, str],
    now: float | None,
) -> ProviderError:
    return classify(
        deployment.name,
        status,
        body,
        unwrapped(headers),
        family=deployment.family,
        now=now,
    )


def mapped(
    deployment: Deployment, exc: Exception, now: float | None, end: End | None = None
) -> Exception:
    """Our class for whatever came out of litellm. `end` is how the answer ended.

    litellm's own classes and statuses differ by provider (a body that is no JSON is
    a 500 here and a 422 there), so the exception at the root decides.
    """
    name = deployment.name
    for cause in _chain(exc):
        match cause:
            case ProviderError():
                return cause
            case ImportError():
                # Our own installation is broken: no provider is to blame.
                return cause
            case httpx.HTTPStatusError(response=response):
                body = response.text if response.is_stream_consumed else str(exc)
                found, headers = response.status_code, response.headers
                return _classified(deployment, found, body, headers, now)
        if end is not None and end.error:
            return disguised(deployment, end.error, now)
        if (known := _on_the_way(name, cause)) is not None:
            return known
    status = getattr(exc, "status_code", None)
    if status in _BELIEVED:
        return _classified(deployment, status, str(exc), {}, now)
    # The class only: the text may quote the answer.
    reason = f"the answer is malformed, or an error in disguise: {type(exc).__name__}"
    return BadAnswer(name, reason)


def _on_the_way(name: str, cause: BaseException) -> ProviderError | None:
    """What became of a request that no status came back for."""
    match cause:
        case Redirected():
            return BadAnswer(name, "it redirects; correct its base_url")
        case UnicodeEncodeError() | httpx.LocalProtocolError():
            return BadKey(name, "the key, or a header, cannot be sent")
        case httpx.ConnectError() | ConnectionRefusedError():
            return Unreachable(name, "no connection")
        case httpx.TimeoutException() | TimeoutError() | openai.APITimeoutError():
            return TimedOut(name, "no answer in time")
        case httpx.TransportError() | ConnectionError():
            return BadAnswer(name, "the connection broke off")
    return None


_BELIEVED = (401, 402, 403, 404, 429)
"""Statuses that litellm takes from an error inside a 200; others it makes up."""


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """An exception and everything it was raised from."""
    seen: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
