"""A run without any key: the same crew, against the built-in emulator on loopback."""

import json
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from crew.emulator.process import running
from crew.guard.health import answers
from crew.notices import PAST, Listener
from crew.providers.own_servers import with_own_servers
from crew.routing import Request, route
from crew.settings import Deployment, Provider, Settings

NOTICE = (
    "REHEARSAL: no provider key is set. The text is scripted and one 429 is staged; "
    "routing, limits, swaps, gates and reports are real. To work, put a key into the "
    ".env that `crew check` names."
)


def needed(settings: Settings) -> bool:
    """Whether nothing real can be reached: no key is set, and no server that
    needs none answers."""
    return not any(
        provider.api_key is not None
        or (provider.keyless and answers(provider.base_url))
        for provider in settings.providers.values()
    )


@contextmanager
def playing(
    settings: Settings, rehearsal: bool, listener: Listener
) -> Iterator[Settings]:
    """The settings to work with: in a rehearsal played ones, which is announced."""
    if not rehearsal:
        yield with_own_servers(settings)
        return
    listener(NOTICE)
    with rehearsing(settings) as played:
        yield played


def warned(line: str) -> None:
    """What a script sees that listens to nothing: a rehearsal, and what goes past the
    guard."""
    if line == NOTICE or line.startswith(PAST):
        warnings.warn(line, UserWarning, stacklevel=2)


@contextmanager
def rehearsing(settings: Settings) -> Iterator[Settings]:
    """The same settings with every provider played by an emulator of our own.

    Its limits are those of providers.yaml; the counts are kept in memory, apart from
    the real ones.
    """
    with running(settings.config_dir) as root:
        played = _played(settings, root)
        _stage_a_refusal(played, root)
        yield played


def _played(settings: Settings, root: str) -> Settings:
    providers = {
        name: replace(provider, api_key="rehearsal", local=False, base_url=None)
        for name, provider in settings.providers.items()
    }
    deployments = {
        name: _emulated(deployment, providers[deployment.provider.name], root)
        for name, deployment in settings.deployments.items()
    }
    return replace(
        settings,
        providers=providers,
        deployments=deployments,
        store_url="memory:",
        rehearsal=True,
    )


def _emulated(deployment: Deployment, provider: Provider, root: str) -> Deployment:
    # Only a rehearsal needs the families, and with them a web framework.
    from crew.emulator.families.family import Family
    from crew.emulator.families.registry import BY_PREFIX

    # To a family that it does not know the emulator speaks OpenAI's protocol.
    known = BY_PREFIX.get(deployment.family)
    return replace(
        deployment,
        provider=provider,
        model=deployment.model if known else f"openai/{deployment.name}",
        base_url=f"{root}/{provider.name}/{(known or Family).path}".rstrip("/"),
    )


def _stage_a_refusal(settings: Settings, root: str) -> None:
    """Let the first choice of the first worker refuse once, so that a swap is seen."""
    worker = next(
        (role for role in settings.roles.values() if role.name != settings.manager),
        None,
    )
    if worker is None:
        return
    request = Request(
        tier=worker.tier, kind=worker.kind, input_tokens=0, output_tokens=0, tools=True
    )
    first, *others = route(settings, request).candidates
    if not others:
        return  # there is nobody to swap to
    fault = {
        "provider": first.provider.name,
        "deployment": first.name,
        "fault": "rate_limit",
        "after": 1,
        "retry_after": 60,
    }
    post = urllib.request.Request(
        f"{root}/_control/faults",
        data=json.dumps(fault).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(post, timeout=10) as answer:
        answer.read()
