"""sandbox-exec, which every macOS has: a command that may read and write what its
profile says. It mounts nothing: the worktree is at its own path."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crew.sandbox.job import Job
from crew.sandbox.limits import limited
from crew.sandbox.started import Started
from crew.sandbox.unprotected import outside, outside_environment

_PROGRAM = Path("/usr/bin/sandbox-exec")
# What programs read to start; no home, no volumes, no sockets of servers.
_READ = (
    "/System", "/usr", "/bin", "/sbin", "/Library/Apple", "/Library/Developer",
    "/Library/Frameworks", "/Applications/Xcode.app", "/opt/homebrew", "/dev",
    "/private/etc/ssl", "/private/etc/localtime", "/private/etc/passwd",
    "/private/etc/group", "/private/etc/hosts", "/private/etc/services",
    "/private/etc/protocols", "/private/var/db/timezone", "/private/var/db/dyld",
    "/private/var/select",
)  # fmt: skip
_RULES = """\
(version 1)
(deny default)
(allow process-fork process-exec)
(allow signal (target same-sandbox))
(allow process-info* (target same-sandbox))
(allow sysctl-read)
(allow file-read-metadata)
(allow file-ioctl (literal "/dev/null"))
(allow file-write-data (literal "/dev/null") (literal "/dev/zero"))
(allow mach-lookup (global-name "com.apple.system.notification_center"))
(allow ipc-posix-sem)
"""


@dataclass(frozen=True, slots=True)
class SandboxExec:
    """The program of macOS."""

    name: str = "sandbox-exec"

    @classmethod
    def find(cls) -> "SandboxExec | None":
        """It, where there is one."""
        return cls() if _PROGRAM.exists() else None

    @contextmanager
    def start(self, job: Job) -> Iterator[Started]:
        """Start a command. Raises OSError."""
        with tempfile.TemporaryDirectory(prefix="crew-") as given:
            private = Path(given).resolve()
            variables = {
                **outside_environment(job),
                "HOME": str(private),
                "TMPDIR": str(private),
                "PYTHONPYCACHEPREFIX": str(private / "pycache"),
            }
            yield Started(
                process=subprocess.Popen(
                    [str(_PROGRAM), "-p", profile(job, private), *limited(job)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    env=variables,
                    cwd=outside(job, job.directory),
                    start_new_session=True,
                )
            )


def profile(job: Job, private: Path) -> str:
    """The profile of a command; the last rule that fits decides."""
    lines = [_RULES]
    read = [Path(name) for name in _READ] + [one.outside for one in job.places]
    lines += [f"(allow file-read* {_below(path)})" for path in (*read, private)]
    lines.append(f"(allow file-write* {_below(private)})")
    for place in job.places:
        rule = "allow" if place.writable else "deny"
        lines.append(f"({rule} file-write* {_below(place.outside)})")
    if job.network:
        lines.append("(allow network*)")
        lines.append("(allow system-socket)")
    return "\n".join(lines)


def _below(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'(subpath "{text}")'
