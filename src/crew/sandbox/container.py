"""A container: docker or podman, with an image that has the programs."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from crew.processes.environment import inherited
from crew.sandbox.job import HOME, PRIVATE, Job
from crew.sandbox.limits import limited
from crew.sandbox.started import Started

_NAMED = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "XDG_RUNTIME_DIR")


@dataclass(frozen=True, slots=True)
class Container:
    """The program `path`, and the image in which commands run."""

    path: str
    image: str
    environment: Mapping[str, str]
    name: str = "container"

    @classmethod
    def find(
        cls, runtime: str, image: str, environ: Mapping[str, str]
    ) -> "Container | None":
        """The runtime of this name, where it is installed."""
        given = inherited(environ)
        path = shutil.which(runtime, path=given["PATH"])
        named = {name: environ[name] for name in _NAMED if name in environ}
        return cls(path, image, {**given, **named}, runtime) if path else None

    @contextmanager
    def start(self, job: Job) -> Iterator[Started]:
        """Start a command. Raises OSError."""
        called = f"crew-{secrets.token_hex(8)}"
        yield Started(
            process=subprocess.Popen(
                [self.path, *self.arguments(job, called)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(self.environment),
                cwd="/",
                start_new_session=True,
            ),
            killer=(self.path, "kill", called),
        )

    def arguments(self, job: Job, called: str) -> list[str]:
        """What the runtime is told. It keeps the bounds of the whole tree itself."""
        bounds = job.bounds
        size = f"size={bounds.temporary}"
        found = [
            "run", "--rm", "--init", "--name", called, "--pull", "never",
            "--read-only", "--cap-drop", "ALL",
            "--security-opt", "no-new-privileges",
            "--user", f"{os.getuid()}:{os.getgid()}",
            "--pids-limit", str(bounds.processes),
            "--memory", str(bounds.memory), "--memory-swap", str(bounds.memory),
            "--tmpfs", f"{PRIVATE}:rw,exec,mode=1777,{size}",
            "--tmpfs", f"{HOME}:rw,exec,mode=1777,{size}",
        ]  # fmt: skip
        if not job.network:
            found += ["--network", "none"]
        for place in job.places:
            fields = f"type=bind,source={place.outside},target={place.inside}"
            found += ["--mount", fields if place.writable else f"{fields},readonly"]
        for name, value in job.environment.items():
            if name != "PATH":
                found += ["--env", f"{name}={value}"]
        return [*found, "--workdir", str(job.directory), self.image, *limited(job)]
