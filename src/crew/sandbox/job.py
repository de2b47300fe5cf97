"""What is to run, what it may see and take, and how it ended: values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MB = 1024 * 1024
PRIVATE = Path("/tmp")
"""The private directory for temporary files, inside."""
HOME = PRIVATE / "home"
"""The home directory, inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a command may take. `seconds` is wall time; `memory`, `disk` (what it adds
    to the worktree), `temporary` (its private /tmp), `file` (one file) and `output`
    are bytes; `processes` counts the whole tree."""

    seconds: float = 600.0
    memory: int = 4096 * MB
    processes: int = 512
    disk: int = 2048 * MB
    temporary: int = 1024 * MB
    file: int = 1024 * MB
    output: int = 64 * MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A file or directory of this machine that the command sees, as `inside`."""

    outside: Path
    inside: Path
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One command. `places` are mounted in their order, later ones over earlier ones;
    what is neither there nor part of the system does not exist inside. `directory` is
    where it starts, as it is inside.
    """

    command: tuple[str, ...]
    directory: Path
    places: tuple[Place, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    bounds: Bounds = field(default_factory=Bounds)
    network: bool = False

    @property
    def written(self) -> tuple[Path, ...]:
        """The directories of this machine that the command can write to."""
        return tuple(place.outside for place in self.places if place.writable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended.

    `by` is "exit", or what ended it: "timeout", "memory", "processes", "disk",
    "output", "interrupted"; "refused" where it did not start. `code` is its exit code,
    negative for a signal. `output` is what it printed, its middle left out where that
    is too long, and for one that was refused the reason.
    """

    by: str
    code: int | None
    output: str
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether it ended by itself, without an error."""
        return self.by == "exit" and self.code == 0
