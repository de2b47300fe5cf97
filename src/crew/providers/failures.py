"""Whatever litellm raises becomes one class of our own error tree."""

import json
from collections.abc import Mapping, Sequence

import httpx
import openai
import openai.resources
from litellm.exceptions import MidStreamFallbackError

from crew.errors import BadAnswer, BadKey, Blocked, ProviderError, TimedOut
from crew.providers.bodies import read_body
from crew.providers.destination import address
from crew.providers.exchange import Exchange, Redirected
from crew.providers.signals import classify, is_known
from crew.providers.unsent import never_left
from crew.providers.way import broken, causes_of, proxy_refuses
from crew.settings import Deployment


def disguised(
    deployment: Deployment, error: object, now: float | None
) -> ProviderError:
    """What an error inside a 200 stands for."""
    body = json.dumps({"error": error}, default=str)
    status = error.get("code") if isinstance(error, dict) else None
    if not isinstance(status, int) or not 400 <= status < 600:
        status = _status_in(read_body(body).words, body)
    if isinstance(status, int):
        return _classified(deployment, status, body, {}, now)
    return BadAnswer(deployment.name, "an error came in place of the answer")


def _status_in(words: str, body: str) -> int | None:
    """The status that an error without one stands for, by what it says."""
    for status, known in _IN_WORDS.items():
        if any(word in words for word in known):
            return status
    return next((status for status in (400, 500) if is_known(status, body)), None)


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
    deployment: Deployment, exc: Exception, now: float | None, exchange: Exchange
) -> ProviderError:
    """Our class for whatever came out of litellm, after this exchange.

    litellm's own classes and statuses differ by provider (a body that is no JSON is
    a 500 here and a 422 there), so the exception at the root decides.
    """
    if exchange.is_page:
        return Blocked(deployment.name, _PAGE)
    end, left = exchange.end, exchange.left
    name, causes = deployment.name, list(causes_of(exc))
    seconds = deployment.timeout or deployment.provider.timeout
    if (answered := _answered(deployment, causes, str(exc), now)) is not None:
        return answered
    if end is not None and end.error:
        return disguised(deployment, end.error, now)
    before = broken(name, exc, url=address(deployment) or "", seconds=seconds)
    if before is not None:
        return before
    for cause in causes:
        if (known := _cut_short(name, cause, seconds)) is not None:
            return known
    if not left or any(isinstance(cause, ImportError) for cause in causes):
        return never_left(deployment, causes, left=left)
    status = getattr(exc, "status_code", None)
    if status in _BELIEVED:
        return _classified(deployment, status, str(exc), {}, now)
    if isinstance(exc, MidStreamFallbackError):
        return BadAnswer(name, "the answer has no end")
    # The class only: the text may quote the answer.
    reason = f"the answer is malformed, or an error in disguise: {type(exc).__name__}"
    return BadAnswer(name, reason)


def _answered(
    deployment: Deployment,
    causes: Sequence[BaseException],
    text: str,
    now: float | None,
) -> ProviderError | None:
    """The error of ours that is among the causes, or that an answer stands for."""
    for cause in causes:
        match cause:
            case ProviderError():
                return cause
            case httpx.HTTPStatusError(response=response):
                if response.status_code == 407:
                    # A proxy answers for itself where the address is http://.
                    return proxy_refuses(deployment.name, str(response.url), 407)
                body = response.text if response.is_stream_consumed else text
                status, headers = response.status_code, response.headers
                return _classified(deployment, status, body, headers, now)
    return None


def _cut_short(name: str, cause: BaseException, seconds: float) -> ProviderError | None:
    """What became of a request that no status came back for."""
    match cause:
        case Redirected():
            return BadAnswer(
                name, "it redirects; correct its base_url, or log in to the network"
            )
        case UnicodeEncodeError() | httpx.LocalProtocolError():
            return BadKey(name, "the key, or a header, cannot be sent")
        case httpx.PoolTimeout():
            late = TimedOut(name, f"no connection was free for {seconds:g} s{_KEY}")
            late.sent = False
            return late
        case httpx.TimeoutException() | TimeoutError() | openai.APITimeoutError():
            return TimedOut(name, f"no answer in {seconds:g} s{_KEY}")
        case httpx.TransportError() | ConnectionError():
            return BadAnswer(name, "the connection broke off")
    return None


_PAGE = "a web page came in place of an answer; check base_url, or log in to the net"
_KEY = " (timeout in providers.yaml)"
"""Where those seconds are set."""

_BELIEVED = (401, 402, 403, 404, 429)
"""Statuses that litellm takes from an error inside a 200; others it makes up."""
