"""The commands that prove a run's work, and what isolates them: values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from crew.sandbox.job import Bounds

RUNTIMES = ("system", "docker", "podman", "off")
"""What isolates: what the system has, a container, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSettings:
    """The commands that prove a run's work, and what isolates them.

    `commands` maps a repository's directory name to its checks, by name; those under
    "" are for each repository. `runtime` is "system" for what isolates on this
    system, "docker" or "podman" with an `image`, or "off". `share` names directories
    of the user's checkout that are lent. `setup` runs once per run, before the first
    check, with the network only where `setup_online`.
    """

    commands: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    runtime: str = RUNTIMES[0]
    image: str | None = None
    bounds: Bounds = field(default_factory=Bounds)
    share: tuple[str, ...] = ()
    setup: str | None = None
    setup_online: bool = False

    def of(self, repository: str) -> dict[str, str]:
        """The checks of a repository, by name."""
        return {**self.commands.get("", {}), **self.commands.get(repository, {})}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all checks, in the order of the file."""
        found = [name for checks in self.commands.values() for name in checks]
        return tuple(dict.fromkeys(found))
