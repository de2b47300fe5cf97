"""The limits that the kernel keeps for each process, set before the command starts."""

import os
import platform
import re

from crew.sandbox.job import Job

_FILES = 4096
_BLOCK = 512
# By a shell, which every system has: a function of ours between fork and exec is not
# safe where there are threads. Each limit is left out where a shell does not know it.
_SCRIPT = (
    'limit() { ulimit "$@" 2>/dev/null || :; }; limit -c 0; limit -f "$1"; '
    'limit -d "$2"; limit -n "$3"; limit -t "$4"; '
    # The number of processes is -u in one shell and -p in the other.
    '[ "$5" = 0 ] || ulimit -u "$5" 2>/dev/null || limit -p "$5"; '
    'shift 5; exec "$@"'
)
_OWN_COUNTS = (5, 14)
"""Since this kernel a namespace counts its own processes, not all of the user's."""


def limited(job: Job) -> list[str]:
    """The command, under its limits. Not on address space: Node and Go reserve many
    gigabytes that they never touch."""
    bounds = job.bounds
    numbers = (
        bounds.file // _BLOCK,
        bounds.memory // 1024,
        _FILES,
        max(1, int(bounds.seconds) + 1),
        bounds.processes if _counts_apart() else 0,
    )
    return ["/bin/sh", "-c", _SCRIPT, "sh", *map(str, numbers), *job.command]


def _counts_apart() -> bool:
    # The kernel never holds root to a number of processes.
    release = re.match(r"(\d+)\.(\d+)", platform.release())
    if platform.system() != "Linux" or release is None or os.getuid() == 0:
        return False
    return (int(release[1]), int(release[2])) >= _OWN_COUNTS
