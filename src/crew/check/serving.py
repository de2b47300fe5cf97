"""Who serves each role with the keys there are, and which further key helps most."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crew.check.roles import as_reported, calls, with_all_keys
from crew.routing import route
from crew.settings import Settings

if TYPE_CHECKING:
    from crew.providers.probe import Probe

NAMES_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One kind of work of a role, and the deployments that serve it, in order."""

    role: str
    work: str
    deployments: tuple[str, ...]

    @property
    def shown(self) -> str:
        """The first deployments in words."""
        if not self.deployments:
            return "nobody"
        first = ", then ".join(self.deployments[:NAMES_SHOWN])
        more = len(self.deployments) - NAMES_SHOWN
        return f"{first} and {more} more" if more > 0 else first


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingKey:
    """A key that is not set. It would serve `unserved` roles that nobody serves, and
    be the first choice of `better` others."""

    variable: str
    unserved: tuple[str, ...]
    better: tuple[str, ...]
    free: bool


def serving(
    settings: Settings, probes: "Mapping[str, Probe]", *, rehearsed: bool
) -> list[Served]:
    """Who serves what, role by role, as a call would be routed now. In a rehearsal all
    deployments are there."""
    if rehearsed:
        settings = with_all_keys(settings)
    known, silent = as_reported(settings, probes)
    found: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for call in calls(known):
        names = tuple(
            one.name for one in route(known, call, unreachable=silent).candidates
        )
        work = (call.kind or "any work") + (", images" if call.vision else "")
        found.setdefault((call.role, work, names), []).append(call.complexity or "")
    parts = {(role, work) for role, work, _ in found}
    return [
        Served(
            role=role,
            # Where all complexities are served alike, the kind alone.
            work=work if len(found) == len(parts) else _exactly(work, complexities),
            deployments=names,
        )
        for (role, work, names), complexities in found.items()
    ]


def _exactly(work: str, complexities: list[str]) -> str:
    return f"{work} ({', '.join(one for one in complexities if one)})"


def helps_most(settings: Settings) -> MissingKey | None:
    """The one missing key that would help the roles most; None when none would."""
    best = max(_missing_keys(settings), key=_weight, default=None)
    return best if best is not None and (best.unserved or best.better) else None


def _weight(key: MissingKey) -> tuple[int, int, bool]:
    """Roles that nobody serves come first; a free key before one that costs."""
    return len(key.unserved), len(key.better), key.free


def _missing_keys(settings: Settings) -> Iterator[MissingKey]:
    for name, provider in settings.providers.items():
        variable = provider.api_key_variable
        if provider.available or not variable:
            continue
        unserved: dict[str, None] = {}
        better: dict[str, None] = {}
        for call in calls(settings):
            now = route(settings, call).candidates
            then = route(_with_key(settings, name), call).candidates
            if then and not now:
                unserved[call.role] = None
            elif then and then[0].provider.name == name:
                better[call.role] = None
        yield MissingKey(
            variable=variable,
            unserved=tuple(unserved),
            better=tuple(role for role in better if role not in unserved),
            free=any(
                one.provider.name == name and one.klass == "free"
                for one in settings.deployments.values()
            ),
        )


def _with_key(settings: Settings, name: str) -> Settings:
    deployments = {
        key: replace(one, provider=replace(one.provider, api_key="rehearsal"))
        if one.provider.name == name
        else one
        for key, one in settings.deployments.items()
    }
    return replace(settings, deployments=deployments)
