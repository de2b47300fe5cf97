"""The patterns of the roles: which deployments make which part of their calls."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from crew.check.roles import as_reported, with_all_keys
from crew.check.serving import Served
from crew.routing import Request, route
from crew.settings import Role, Settings

if TYPE_CHECKING:
    from crew.providers.probe import Probe

LEGEND = "Patterns (experimental: see docs/patterns.md)"


def pattern_lines(
    settings: Settings, probes: "Mapping[str, Probe]", *, rehearsed: bool
) -> list[str]:
    """A line for each part of each role's pattern; none where no role has one. In a
    rehearsal all deployments are there."""
    if rehearsed:
        settings = with_all_keys(settings)
    known, silent = as_reported(settings, probes)
    served = [
        one for role in known.roles.values() for one in _parts(known, role, silent)
    ]
    width = max((len(one.role) for one in served), default=0)
    part = max((len(one.work) for one in served), default=0)
    return [f"  {one.role:<{width}}  {one.work:<{part}}  {one.shown}" for one in served]


def _parts(settings: Settings, role: Role, silent: frozenset[str]) -> Iterator[Served]:
    if role.pattern is None:
        return
    for part in role.pattern.names:
        request = Request(
            tier=role.pattern.tier(part, settings.tiers, role.tier),
            chain=role.pattern.chain(part, settings.tiers),
            input_tokens=0,
            output_tokens=0,
            role=role.name,
        )
        found = route(settings, request, unreachable=silent).candidates
        names = [one.name for one in found if one.name in request.chain]
        # What follows its chain serves only where that is closed.
        yield Served(
            role=role.name,
            work=part,
            deployments=tuple(names or [one.name for one in found]),
        )
