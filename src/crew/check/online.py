"""Asking all providers at once what they say of their models: `crew check --online`."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from crew.errors import BadRequest, ProviderError, QuotaExceeded, StoreUnavailable
from crew.guard import Lease, QuotaGuard
from crew.models.asking import MOST_AT_ONCE, Place, places
from crew.providers.http import Endpoint
from crew.providers.own_servers import own_probes
from crew.providers.probe import (
    Answered,
    Probe,
    ask_call,
    ask_models,
    own_id,
    takes_a_call,
)
from crew.routing import Request
from crew.settings import Deployment, Settings

CALL_TOKENS = 100
"""What "Hi" may take: some models put many words of their own before it."""


def ask_all(
    settings: Settings, open_guard: Callable[[], QuotaGuard]
) -> dict[str, Probe]:
    """The answers of the providers about each deployment that can be called, by its
    name.

    Every address is asked once, all of them at the same time. A gateway of one's own
    that lists no models is called once, under a lease of the guard; that is opened for
    nothing else.
    """
    endpoints = _endpoints(settings)
    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        probes = dict(
            zip(endpoints, pool.map(_listed, endpoints.values()), strict=True)
        )
        silent = {
            key: behind
            for key, behind in endpoints.items()
            if takes_a_call(Endpoint.of(behind[0]), probes[key])
        }
        if silent:
            probes |= _call_all(pool, silent, open_guard)
    return {
        deployment.name: probes[key]
        for key, behind in endpoints.items()
        for deployment in behind
    }


def ask_own(settings: Settings) -> dict[str, Probe]:
    """What local servers say: asking them costs nothing, and tells nobody anything."""
    return own_probes(
        one for one in settings.deployments.values() if one.provider.local
    )


def _endpoints(settings: Settings) -> dict[Place, list[Deployment]]:
    """The deployments behind each address that may be asked."""
    return {
        place: behind
        for place, behind in places(settings).items()
        if behind and behind[0].provider.available
    }


def _listed(behind: Sequence[Deployment]) -> Probe:
    return ask_models(Endpoint.of(behind[0]), [own_id(one) for one in behind])


def _call_all(
    pool: ThreadPoolExecutor,
    silent: Mapping[Place, Sequence[Deployment]],
    open_guard: Callable[[], QuotaGuard],
) -> dict[Place, Probe]:
    first = {key: behind[0] for key, behind in silent.items()}
    try:
        guard = open_guard()
    except StoreUnavailable as exc:
        return {
            key: Probe(called=one.name, refused=str(exc)) for key, one in first.items()
        }
    try:
        found = pool.map(partial(_called, guard), first.values())
        return dict(zip(first, found, strict=True))
    finally:
        guard.close()


def _called(guard: QuotaGuard, deployment: Deployment) -> Probe:
    """What one call of a few tokens brings, if the guard has room for it."""
    name = deployment.name
    request = Request(tier="", input_tokens=CALL_TOKENS, output_tokens=1, style="none")
    try:
        attempts = guard.begin_at(deployment, request)
        lease = attempts.acquire()
        lease.sent()
        match ask_call(Endpoint.of(deployment), own_id(deployment)):
            case ProviderError() as error:
                with suppress(BadRequest, StoreUnavailable):
                    attempts.failed(lease, error)
                return Probe(called=name, error=error)
            case Answered() as answered:
                _settle(lease, answered)
    except QuotaExceeded as exc:
        return Probe(called=name, refused=str(exc.closed[0]))
    except StoreUnavailable as exc:
        return Probe(called=name, refused=str(exc))
    return Probe(called=name)


def _settle(lease: Lease, answered: Answered) -> None:
    # A store that fails now keeps the reservation, and the answer came all the same.
    with suppress(StoreUnavailable):
        if answered.charged is None:
            lease.keep(answered.reported)
        else:
            sent, wrote = answered.charged
            lease.settle(
                input_tokens=sent, output_tokens=wrote, reported=answered.reported
            )
