"""What the roles ask of the deployments that routing sends them to, and whether there
is one that can."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from crew.errors import BadKey, Blocked
from crew.ladder import kind_for
from crew.ladder.work import possible
from crew.routing import Request, route, rule
from crew.settings import Deployment, Role, Settings

if TYPE_CHECKING:
    from crew.providers.probe import Probe

IMAGES = "look_at_image"


def calls(settings: Settings) -> Iterator[Request]:
    """Every kind of call that the roles make, as the guard is asked for it: by the
    kind of the task or else of the role, and by the complexity of the task.

    A question about an image is a call of its own, without tools.
    """
    for role in settings.roles.values():
        for kind, complexity in dict.fromkeys(_work(settings, role)):
            call = Request(
                tier=role.tier,
                input_tokens=0,
                output_tokens=0,
                role=role.name,
                kind=kind,
                complexity=complexity,
            )
            yield replace(call, tools=_has_tools(settings, role))
            if IMAGES in role.tools:
                yield replace(call, vision=True)


def passed_over(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Which deployments stand in a rule or a tier, and cannot do what is asked there:
    "images", "tools". What follows a tier (`then`) serves many, and may well be unable
    to serve one of them."""
    found: dict[str, dict[str, None]] = {}
    for call in calls(settings):
        head = rule(settings, call.kind, call.complexity)
        for name in (*head, *settings.tiers[call.tier].chain):
            deployment, lacks = settings.deployments[name], found.setdefault(name, {})
            if call.vision and not deployment.vision:
                lacks["images"] = None
            if call.tools and not deployment.tools:
                lacks["tools"] = None
    return {name: tuple(lacks) for name, lacks in found.items()}


def unserved(
    settings: Settings, probes: "Mapping[str, Probe]", *, rehearsed: bool = False
) -> list[str]:
    """What no deployment does for a role, so that a run would fail: one line for each.

    `probes` are the providers' answers about each deployment, by name; they go before
    the YAML.
    In a rehearsal all of them are there.
    """
    if rehearsed:
        settings = with_all_keys(settings)
    known, silent = as_reported(settings, probes)
    lines: dict[str, str] = {}
    for call in calls(known):
        if route(known, call, unreachable=silent).candidates:
            continue
        # Tools are no reason: what cannot call them is asked to write its calls.
        plain = replace(call, vision=False)
        usable = route(known, plain, unreachable=silent).candidates
        lacking = "see images" if usable else ""
        lines.setdefault(f"{call.role}:{lacking}", _line(known, call, lacking))
    return list(lines.values())


def _work(settings: Settings, role: Role) -> Iterator[tuple[str | None, str | None]]:
    """The kinds and complexities of what a role does. The manager has a hand in every
    task, and decides who does those that have no agent."""
    manages = _manages(settings, role)
    idle = True
    for task in settings.tasks.values():
        if task.agent in (role.name, None) or manages:
            idle = False
            kind = kind_for(settings, role, task)
            yield from ((kind, complexity) for complexity in possible(task))
    if idle:
        yield role.kind, None


def _manages(settings: Settings, role: Role) -> bool:
    return settings.process == "hierarchical" and role.name == settings.manager


def _has_tools(settings: Settings, role: Role) -> bool:
    """Whether CrewAI sends tools with the role's calls; delegation is one."""
    delegates = _manages(settings, role) or bool(role.options.get("allow_delegation"))
    return bool(role.tools or role.own_tools) or delegates


def with_all_keys(settings: Settings) -> Settings:
    """The settings as if each provider had its key."""
    keyed = {
        name: replace(one, provider=replace(one.provider, api_key="rehearsal"))
        for name, one in settings.deployments.items()
    }
    return replace(settings, deployments=keyed)


def as_reported(
    settings: Settings, probes: "Mapping[str, Probe]"
) -> tuple[Settings, frozenset[str]]:
    """The settings as the providers' answers correct them, and the local providers that
    are not there."""
    silent = frozenset(
        settings.deployments[name].provider.name
        for name, probe in probes.items()
        if probe.error is not None and settings.deployments[name].provider.local
    )
    reported = {
        name: _corrected(settings.deployments[name], probe)
        for name, probe in probes.items()
    }
    return replace(settings, deployments={**settings.deployments, **reported}), silent


def _corrected(deployment: Deployment, probe: "Probe") -> Deployment:
    if isinstance(probe.error, BadKey | Blocked):
        # Its key may as well not be set.
        provider = replace(
            deployment.provider, api_key=None, local=False, base_url=None
        )
        return replace(deployment, provider=provider)
    reported = probe.find(deployment)
    if reported is None:
        return deployment
    return replace(
        deployment,
        vision=deployment.vision and reported.vision is not False,
        tools=deployment.tools and reported.tools is not False,
    )


def _line(settings: Settings, call: Request, lacking: str) -> str:
    problem = f"no deployment with a key can {lacking}"
    if not lacking:
        problem = "no deployment has a key that works"
    kind = ".".join(part for part in (call.kind, call.complexity) if part)
    where = ", ".join(part for part in (kind, f"tier {call.tier}") if part)
    able = route(with_all_keys(settings), call).candidates
    keys = dict.fromkeys(
        variable
        for one in able
        if not settings.deployments[one.name].provider.available
        if (variable := one.provider.api_key_variable)
    )
    way_out = "name one that can in tiers.yaml"
    if keys:
        way_out = f"a working key is needed: {', '.join(keys)}"
    return f"{call.role} ({where}): {problem}; {way_out}"
