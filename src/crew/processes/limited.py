"""A Python script of ours in a child process with bounds on time and memory."""

import os
import subprocess
import sys
from pathlib import Path

from crew.errors import CrewError
from crew.processes.environment import python_environment


class OverBounds(CrewError):
    """The child took too long, or was killed for what it took."""


def run_limited(script: Path, *arguments: str, given: bytes, seconds: float) -> bytes:
    """What a script prints that gets `given` on its stdin. It sets the
    limits of its own memory and time (`bounds.bound`), as only it can.

    Raises OverBounds.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(script), *arguments],
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=python_environment(os.environ),
            cwd="/",
            timeout=seconds,
            start_new_session=True,  # Ctrl-C is for the crew
        )
    except subprocess.TimeoutExpired:
        raise OverBounds("it takes too long") from None
    except OSError as exc:
        raise OverBounds(f"no process could be started for it: {exc}") from exc
    if done.returncode < 0:
        raise OverBounds("it takes too long, or too much memory")
    return done.stdout
