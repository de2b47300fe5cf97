"""Where a call goes: to the address of the YAML, or else to the family's own.

litellm takes the address of a call from variables of the environment as well
(`OPENAI_BASE_URL`, `GROQ_API_BASE`, some fifty more). Nothing but the YAML decides that
here: the address is always given to litellm. Of a family that we do not know only
litellm knows it; then a request to what a variable names is not sent.
"""

import os
from collections.abc import Mapping

import httpx

from crew.errors import ModelGone
from crew.providers.families.registry import family
from crew.settings import Deployment

_NO_KEY = "none-needed"


def address(deployment: Deployment) -> str | None:
    """The base of its calls, as litellm wants it; None: only litellm knows it."""
    given = deployment.base_url or deployment.provider.base_url
    if given is not None:
        return given
    known = family(deployment.family)
    if known.base_url is None or not known.call_path:
        return known.base_url
    return f"{known.base_url}/{known.call_path}"


def key(deployment: Deployment) -> str | None:
    """The key that goes with its calls. Where none is needed, one that means nothing:
    clients of OpenAI's send no request without."""
    provider = deployment.provider
    wants_one = provider.keyless and family(deployment.family).chat_completions
    return provider.api_key or (_NO_KEY if wants_one else None)


def model(deployment: Deployment) -> str:
    """Its model as litellm sends it there. litellm 1.101 to 1.110 knows `openai_like/`
    for embeddings only, and the same protocol by another name."""
    prefix, slash, name = deployment.model.partition("/")
    return (
        f"custom_openai/{name}"
        if prefix + slash == "openai_like/"
        else (deployment.model)
    )


def check_destination(
    deployment: Deployment, url: httpx.URL, environ: Mapping[str, str] = os.environ
) -> None:
    """Raise ModelGone where a variable decided the address of a request."""
    if address(deployment) is not None:
        return
    named = [
        name
        for name, value in environ.items()
        if _host(value) == (url.host, url.port) and not _is_proxy(name)
    ]
    if not named:
        return
    # Several may hold that address: the family's own is the one that was read.
    own = deployment.family.upper()
    name = min(named, key=lambda one: (not one.startswith(own), one))
    raise ModelGone(
        deployment.name,
        f"not called: the variable {name} says where its calls go, and only the YAML "
        "may; give it a `base_url`",
    )


def check_named(deployment: Deployment) -> None:
    """Raise ModelGone where the YAML names no address, for those whose requests pass
    us by."""
    if address(deployment) is None:
        reason = "not called: only the YAML may say where its calls go; give it a"
        raise ModelGone(deployment.name, f"{reason} `base_url`")


def _host(value: str) -> tuple[str, int | None] | None:
    text = value.strip()
    if not text.lower().startswith(("http://", "https://")):
        return None
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return None
    return url.host, url.port


def _is_proxy(name: str) -> bool:
    return name.lower().endswith("_proxy")
