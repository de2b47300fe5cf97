"""What the pattern of a role names must be there, and must have something to do."""

from collections.abc import Collection

from crew.settings.check_tasks import MANAGER
from crew.settings.files import Files, Shapes, expect
from crew.settings.own_entries import own
from crew.settings.patterns import DESIGNED, flaw
from crew.settings.schema import PatternShape, RoleShape

_WRITING = ("edit_file", "write_file")


def check_patterns(files: Files, shapes: Shapes) -> None:
    """Note in agents.yaml what is wrong with a role's `pattern`."""
    tiers = files.tiers.names("tiers")
    deployments = files.providers.names("deployments")
    known = None
    if tiers is not None and deployments is not None:
        known = [*tiers, *deployments]
    for name, role in shapes.roles.items():
        if role.pattern is None:
            continue
        for part, chain in given(role.pattern).items():
            for one in chain:
                path = (name, "pattern", part)
                expect(files.agents, path, "tier or deployment", one, known)
        managed = shapes.process == "hierarchical" and name == MANAGER
        names = list(given(role.pattern))
        if wrong := flaw(names) or idle(role, names, managed=managed):
            files.agents.reject((name, "pattern"), wrong)


def given(shape: PatternShape) -> dict[str, list[str]]:
    """The parts that are there."""
    return {
        name: chain
        for name in PatternShape.model_fields
        if (chain := getattr(shape, name)) is not None
    }


def idle(role: RoleShape, names: Collection[str], *, managed: bool = False) -> str:
    """Why parts of these names would have nothing to do; empty when they have."""
    if DESIGNED[0] not in names:
        works = bool(role.tools) or managed
        return "" if works else "does nothing without `tools`"
    writes = bool(own(role.tools)) or any(one in _WRITING for one in role.tools)
    needed = " or ".join(_WRITING)
    return "" if writes else f"{DESIGNED[0]} and {DESIGNED[1]} need {needed} in `tools`"
