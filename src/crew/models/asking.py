"""Asking each provider for its list of models, all of them at the same time."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from crew.providers.families.registry import FAMILIES, family
from crew.providers.http import Endpoint
from crew.providers.probe import Probe, ask_models, own_id
from crew.settings import Deployment, Settings

MOST_AT_ONCE = 32
MOST_DETAILS = 20
"""Models whose details are asked for, where these take a question each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where models are served: an account, whose protocol is spoken there, and the
    address, empty for the family's own."""

    provider: str
    family: str
    base_url: str = ""


def place_of(deployment: Deployment) -> Place:
    """Where a deployment is served."""
    endpoint = Endpoint.of(deployment)
    return Place(
        provider=deployment.provider.name,
        family=endpoint.family,
        base_url=endpoint.base_url or "",
    )


def places(settings: Settings) -> dict[Place, list[Deployment]]:
    """Every place of the YAML with the deployments there. A provider without one is
    known by its name, if that is the name of a family."""
    found: dict[Place, list[Deployment]] = {}
    for deployment in settings.deployments.values():
        found.setdefault(place_of(deployment), []).append(deployment)
    served = {place.provider for place in found}
    known = {one.name for one in FAMILIES}
    for name, provider in settings.providers.items():
        if name not in served and name in known:
            base_url = provider.base_url or ""
            found[Place(provider=name, family=name, base_url=base_url)] = []
    return found


def ask(settings: Settings) -> dict[Place, Probe]:
    """What each place with a key, or that needs none, says of its models. Nothing is
    called, so it costs nothing."""
    reachable = {
        place: behind
        for place, behind in places(settings).items()
        if settings.providers[place.provider].available
    }

    def asked(item: tuple[Place, list[Deployment]]) -> Probe:
        place, behind = item
        endpoint = Endpoint(
            provider=settings.providers[place.provider],
            family=place.family,
            base_url=place.base_url or None,
        )
        return with_details(endpoint, (own_id(one) for one in behind))

    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        return dict(zip(reachable, pool.map(asked, reachable.items()), strict=True))


def with_details(endpoint: Endpoint, wanted: Iterable[str]) -> Probe:
    """The list of one place. Where details take a question each, those of the wanted
    models come first, and of some others."""
    probe = ask_models(endpoint, list(wanted))
    if family(endpoint.family).details is None or probe.error is not None:
        return probe
    return ask_models(endpoint, list(probe.models)[:MOST_DETAILS])


def by_place(settings: Settings, probes: Mapping[str, Probe]) -> dict[Place, Probe]:
    """The answers about deployments, by where these are served."""
    return {
        place_of(settings.deployments[name]): probe for name, probe in probes.items()
    }
