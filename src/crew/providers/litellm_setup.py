"""Every patch and switch of other people's libraries, and the clients for litellm.

Only litellm is patched, and only where its own calls pass unchanged: a test shows it.
"""

import asyncio
import logging
import warnings
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import Any

import httpx
import litellm
import openai
from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler, HTTPHandler
from litellm.llms.custom_httpx.llm_http_handler import BaseLLMHTTPHandler
from litellm.llms.openai.common_utils import get_openai_credentials
from litellm.llms.openai_like.chat.handler import OpenAILikeChatHandler
from litellm.llms.openai_like.chat.transformation import OpenAILikeChatConfig
from openai._base_client import get_platform

from crew.providers.destination import check_destination, check_named
from crew.providers.exchange import AsyncClient, Client, Exchange
from crew.settings import Deployment

# litellm's own types and answers make pydantic warn; a user can do nothing about it.
warnings.filterwarnings("ignore", "Items? '.*' on TypedDict class", UserWarning)
warnings.filterwarnings("ignore", "Pydantic serializer warnings", UserWarning)
logging.getLogger("LiteLLM").setLevel(logging.ERROR)
litellm.suppress_debug_info = True
litellm.telemetry = False
# One HTTP client for sync and async, so that a broken connection is one exception.
litellm.disable_aiohttp_transport = True
# Counting the tokens of a Llama stream would download a tokenizer.
litellm.disable_hf_tokenizer_download = True
# Of Groq's whole answers litellm reads a `service_tier` that not each of them has, and
# fails with an AttributeError where it is missing.
litellm.ModelResponse.service_tier = None

# litellm does the rest of its imports in the first call. They take a second or more,
# by which that call would reach its provider later than it was counted here.
litellm.completion(
    model="openai/warm-up", messages=[], mock_response="warm", api_key="none"
)


def handed(
    deployment: Deployment, exchange: Exchange, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """What litellm.completion takes besides `arguments`, so that it sends the request
    of this exchange through a client of ours."""
    shared = _CONNECTIONS.of(deployment.provider.name)
    client = _Handler(_Directed(deployment, exchange, shared), arguments)
    return _marked(deployment, exchange, client)


def handed_async(
    deployment: Deployment, exchange: Exchange, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """As `handed`, for litellm.acompletion in the event loop that runs."""
    shared = _CONNECTIONS.of_this_loop(deployment.provider.name)
    client = _AsyncHandler(_AsyncDirected(deployment, exchange, shared), arguments)
    return _marked(deployment, exchange, client)


_UNWATCHED = ("azure", "azure_text")
"""Families for which litellm takes no client but the SDK's own, and keeps it for the
calls of others: it sends by itself."""


def _marked(
    deployment: Deployment, exchange: Exchange, client: "_Handler | _AsyncHandler"
) -> dict[str, Any]:
    _introduce(deployment)
    if deployment.family in _UNWATCHED:
        exchange.watched = False
        check_named(deployment)
        # litellm calls it right before the request, and again after.
        return {"logger_fn": lambda details: exchange.on_sent()}
    return {"client": client, "logger_fn": _Mark(weakref.ref(client))}


def _introduce(deployment: Deployment) -> None:
    """Tell litellm of a model of Ollama's, whose name its table does not have.

    Else it asks for it twice with each call: past our client, and not at the address of
    the deployment, but at that of OLLAMA_API_BASE. What its table has stays."""
    if deployment.family in ("ollama", "ollama_chat"):
        entry = {
            "litellm_provider": "ollama",
            "mode": "chat",
            "input_cost_per_token": 0.0,
            "output_cost_per_token": 0.0,
            "supports_function_calling": deployment.tools,
            "supports_vision": deployment.vision,
        }
        name = deployment.model.partition("/")[2]
        litellm.model_cost.setdefault(f"ollama/{name}", entry)


class _Directed(Client):
    """A client that sends nothing to an address of the environment."""

    def __init__(self, deployment: Deployment, exchange: Exchange, shared: Any) -> None:
        super().__init__(exchange, shared)
        self._deployment = deployment

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        check_destination(self._deployment, request.url)
        return super().send(request, **options)


class _AsyncDirected(AsyncClient):
    """As `_Directed`, for an event loop."""

    def __init__(self, deployment: Deployment, exchange: Exchange, shared: Any) -> None:
        super().__init__(exchange, shared)
        self._deployment = deployment

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        check_destination(self._deployment, request.url)
        return await super().send(request, **options)


@dataclass(frozen=True, slots=True)
class _Mark:
    """By which our calls are known within litellm: of all arguments it carries this
    one furthest. It also keeps the latest one, which must not keep an answer alive."""

    client: "weakref.ref[_Handler | _AsyncHandler]"


class _Handler(HTTPHandler):
    """A client for every family: litellm posts through it, or asks it for the parts of
    the openai SDK. Which of both, it decides by family, by model and by tools."""

    def __init__(self, own: Client, arguments: Mapping[str, Any]) -> None:
        super().__init__(timeout=arguments["timeout"], client=own)
        self._arguments, self._own = arguments, own

    @cached_property
    def _sdk(self) -> openai.OpenAI:
        return openai.OpenAI(http_client=self._own, **_credentials(self._arguments))

    def post(self, *args: Any, **options: Any) -> Any:
        """As litellm's own, or as the SDK's: from 1.103 on it posts through that."""
        if "cast_to" in options:
            return self._sdk.post(*args, **options)
        return super().post(*args, **options)

    chat = property(lambda self: self._sdk.chat)
    completions = property(lambda self: self._sdk.completions)
    api_key = property(lambda self: self._sdk.api_key)
    _base_url = property(lambda self: self._sdk._base_url)


class _Kept(AsyncHTTPHandler):
    """One whose connections end with their event loop."""

    def __del__(self) -> None:
        """litellm's own is closed by whatever loop runs then, which cannot."""


class _AsyncHandler(_Kept):
    """As `_Handler`, for an event loop.

    litellm's own sends a request again when the connection is refused or breaks off,
    through a client that it makes for that: behind the back of whoever counts.
    """

    def __init__(self, own: AsyncClient, arguments: Mapping[str, Any]) -> None:
        self._arguments, self._own = arguments, own
        super().__init__(timeout=arguments["timeout"])

    def create_client(self, *_: object, **__: object) -> AsyncClient:
        return self._own

    async def single_connection_post_request(self, *_: object, **__: object) -> Any:
        raise  # the exception that litellm handles there

    @cached_property
    def _sdk(self) -> openai.AsyncOpenAI:
        own = self._own
        sdk = openai.AsyncOpenAI(http_client=own, **_credentials(self._arguments))
        # Else each new client asks for it in a thread, which takes 0.4 ms.
        sdk._platform = get_platform()
        return sdk

    async def post(self, *args: Any, **options: Any) -> Any:
        """As `_Handler` does it."""
        if "cast_to" in options:
            return await self._sdk.post(*args, **options)
        return await super().post(*args, **options)

    chat = property(lambda self: self._sdk.chat)
    completions = property(lambda self: self._sdk.completions)
    api_key = property(lambda self: self._sdk.api_key)
    _base_url = property(lambda self: self._sdk._base_url)


def _credentials(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Where to send and with which key, as litellm finds both: a client that it is
    handed must know them by itself."""
    base, key = arguments.get("api_base"), arguments.get("api_key")
    _, _, known, base = litellm.get_llm_provider(
        arguments["model"], api_base=base, api_key=key
    )
    found = get_openai_credentials(base, known or key)
    return {
        "api_key": found.api_key,
        "base_url": found.api_base,
        "organization": found.organization,
        # One lease stands for one attempt: the SDK alone would make three.
        "max_retries": 0,
    }


@dataclass(slots=True)
class _Connections:
    """Clients that keep their connections from call to call.

    litellm builds them, so that the user's proxies and certificates hold as they do in
    any other call of litellm. Each provider has its own: where one hangs, the others
    do not wait for a connection. In an event loop each loop has its own, and none is
    left of a loop that was closed: its connections send a request and then fail.
    """

    _kept: dict[str, HTTPHandler] = field(default_factory=dict)
    _by_loop: dict[asyncio.AbstractEventLoop, dict[str, _Kept]] = field(
        default_factory=dict
    )

    def of(self, provider: str) -> Any:
        if provider not in self._kept:
            self._kept.setdefault(provider, HTTPHandler())
        return self._kept[provider].client

    def of_this_loop(self, provider: str) -> Any:
        loop = asyncio.get_running_loop()
        kept = self._by_loop.get(loop)
        if kept is None:
            for other in list(self._by_loop):
                if other.is_closed():
                    self._by_loop.pop(other, None)
            kept = self._by_loop.setdefault(loop, {})
        if provider not in kept:
            kept[provider] = _Kept()
        return kept[provider].client


_CONNECTIONS = _Connections()


def _with_our_client(complete: Callable[..., Any]) -> Callable[..., Any]:
    """litellm does not hand the `client` on for Cohere, Cloudflare and some others, nor
    for OpenAI's `responses` in an event loop, and takes one that all its callers share.
    There is no other way in than this patch. Calls without our mark pass unchanged."""

    @wraps(complete)
    def handing_on(self: Any, *args: Any, **options: Any) -> Any:
        given = options.get("litellm_params")
        mark = given.get("logger_fn") if given else None
        if isinstance(mark, _Mark):
            options["client"] = mark.client()
        return complete(self, *args, **options)

    return handing_on


for _owner, _name in (
    (BaseLLMHTTPHandler, "completion"),
    (BaseLLMHTTPHandler, "response_api_handler"),
    (OpenAILikeChatHandler, "completion"),
):
    setattr(_owner, _name, _with_our_client(getattr(_owner, _name)))


def _with_a_service_tier(read: Callable[..., Any]) -> Callable[..., Any]:
    """litellm fails on an answer of Groq's that names no `service_tier`, which a
    gateway before it, or Groq itself, may leave out. Ours get one that says nothing."""

    @wraps(read)
    def reading(self: Any, *args: Any, **options: Any) -> Any:
        found = read(self, *args, **options)
        given = options.get("litellm_params")
        mark = given.get("logger_fn") if given else None
        if isinstance(mark, _Mark) and not hasattr(found, "service_tier"):
            found.service_tier = None
        return found

    return reading


# What Groq's own reader calls first.
OpenAILikeChatConfig.transform_response = _with_a_service_tier(  # type: ignore[method-assign]
    OpenAILikeChatConfig.transform_response
)
