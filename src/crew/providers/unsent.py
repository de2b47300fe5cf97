"""What never left this machine: its cause, and whether it concerns every call."""

from collections.abc import Sequence

import openai

from crew.errors import BadAnswer, ProviderError, Unsendable, Unsupported
from crew.providers.masking import masked_text
from crew.settings import Deployment

_ABOUT_THE_KEY = (
    "missing credentials",
    "api key",
    "api_key",
    "credentials",
    "environment variable",
)
_UNKNOWN, _UNMAPPED = "LLM Provider NOT provided", "Unmapped LLM provider"
_OTHERS_SEND = ("aiohttp", "boto3", "botocore", "google", "requests", "urllib3")
"""Packages by which litellm sends past any client of ours."""


def never_left(
    deployment: Deployment, causes: Sequence[BaseException], *, left: bool = False
) -> ProviderError:
    """The error of a call that litellm ended before a request left. `causes` begin
    with what it raised. The same call would end the same way: nobody tries it again.

    `left`: something was sent all the same, before a package turned out to be missing.
    """
    root = causes[-1]
    error: ProviderError
    if any(_package(cause) in _OTHERS_SEND for cause in causes):
        return BadAnswer(deployment.name, f"it failed in {_package(root)}")
    missing = next((c for c in causes if isinstance(c, ImportError)), None)
    if missing is not None:
        error = Unsendable(deployment.name, _without(missing))
    elif _lacks_a_key(causes):
        error = Unsendable(deployment.name, _keyless(deployment))
    elif _UNKNOWN in str(causes[0]) or _UNMAPPED in str(causes[0]):
        what = f"litellm knows no provider {deployment.family}/; correct its model id"
        error = Unsendable(deployment.name, what)
    else:
        # It may be this conversation alone that cannot be put in the family's form.
        error = Unsupported(deployment.name, f"nothing was sent: {_text(root)}")
    error.sent = left
    return error


def _without(missing: ImportError) -> str:
    if missing.name is None:
        return f"nothing was sent: {_text(missing)}"
    package = missing.name.partition(".")[0]
    return f"the Python package {package} is missing on this machine; install it"


def _lacks_a_key(causes: Sequence[BaseException]) -> bool:
    said = " ".join(str(cause).lower() for cause in causes)
    return isinstance(causes[0], openai.AuthenticationError) or any(
        sign in said for sign in _ABOUT_THE_KEY
    )


def _keyless(deployment: Deployment) -> str:
    variable = deployment.provider.api_key_variable
    bare = deployment.model.partition("/")[2]
    key = f"set {variable}" if variable else "give the provider any api_key"
    return (
        f"litellm sends nothing to {deployment.family}/ without a key; {key}, or name "
        f"a server that wants none lm_studio/{bare}"
    )


def _text(error: BaseException) -> str:
    """Its class, and the beginning of what it says without keys and quotations."""
    said = masked_text(str(error).partition("\n")[0])
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _package(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]
