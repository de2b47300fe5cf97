"""Where each provider is played, and how its own client calls it there."""

from collections.abc import Iterator

from crew.emulator.families.family import Family
from crew.emulator.families.registry import family_of
from crew.settings import Deployment, Settings


def guide(settings: Settings, root: str) -> Iterator[str]:
    """One line for each provider with its address, then one example for each kind of
    client. Any text is a key there."""
    first: dict[str, Deployment] = {}
    for deployment in settings.deployments.values():
        first.setdefault(deployment.provider.name, deployment)
    width = max(len(name) for name in first)
    clients: dict[str, str] = {}
    for name, deployment in first.items():
        family = family_of(deployment)
        yield f"  {name:<{width}}  {address(root, name, family)}"
        example = family.client.format(address=address(root, name, family))
        clients.setdefault(family.client, example)
    yield "Clients (any text is a key):"
    yield from (f"  {example}" for example in clients.values())


def address(root: str, provider: str, family: Family) -> str:
    """What a client of that family takes as its base address."""
    path = family.path if family.client_path is None else family.client_path
    return f"{root}/{provider}/{path}".rstrip("/")
