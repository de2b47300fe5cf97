"""What servers of one's own say of their models: LM Studio, vLLM, llama.cpp, Ollama."""

from collections.abc import Iterable
from dataclasses import replace

from crew.providers.http import Endpoint
from crew.providers.probe import Probe, ask_models, own_id
from crew.settings import Deployment, Settings


def own_probes(deployments: Iterable[Deployment]) -> dict[str, Probe]:
    """The answers about these deployments, by name. Each address is asked once."""
    behind: dict[tuple[str, str, str], list[Deployment]] = {}
    for one in deployments:
        endpoint = Endpoint.of(one)
        key = (one.provider.name, endpoint.family, endpoint.base_url or "")
        behind.setdefault(key, []).append(one)
    found: dict[str, Probe] = {}
    for group in behind.values():
        probe = ask_models(Endpoint.of(group[0]), [own_id(one) for one in group])
        found.update({one.name: probe for one in group})
    return found


def with_own_servers(settings: Settings) -> Settings:
    """The settings with the windows and ids that the YAML leaves to the servers, as far
    as these take no key. One that does not answer is left as it is."""
    open_ones = [
        one
        for one in settings.deployments.values()
        if one.provider.keyless and one.window_assumed
    ]
    probes = own_probes(open_ones)
    known = {one.name: probes[one.name].served(one) for one in open_ones}
    return replace(settings, deployments={**settings.deployments, **known})
