"""No isolation, since the user wrote `sandbox: off`: the command runs as the user.

It still gets no keys in its environment, limits, and an end to all its children.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crew.sandbox.job import Job
from crew.sandbox.limits import limited
from crew.sandbox.started import Started


@dataclass(frozen=True, slots=True)
class Unprotected:
    """Runs a command in its tree as it is on this machine."""

    name: str = "off"

    @contextmanager
    def start(self, job: Job) -> Iterator[Started]:
        """Start a command. Raises OSError."""
        yield Started(
            process=subprocess.Popen(
                limited(job),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=outside_environment(job),
                cwd=outside(job, job.directory),
                start_new_session=True,
            )
        )


def outside(job: Job, inside: Path) -> Path:
    """Where on this machine a path is that the command would see elsewhere."""
    for place in reversed(job.places):
        if inside.is_relative_to(place.inside):
            return place.outside / inside.relative_to(place.inside)
    return inside


def outside_environment(job: Job) -> dict[str, str]:
    """The variables with the paths of this machine."""
    found = dict(job.environment)
    entries = found.get("PATH", "").split(":")
    found["PATH"] = ":".join(str(outside(job, Path(one))) for one in entries)
    return found
