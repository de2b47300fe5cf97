"""What the sandbox adds to a command: `true` bare and sandboxed, in turns.

    uv run python benchmarks/sandbox_cost.py [ROUNDS]

Prints medians and quartiles in milliseconds, and the difference of each pair.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from crew.sandbox.bubblewrap import Bubblewrap, find
from crew.sandbox.job import Job, Place
from crew.sandbox.running import run
from crew.sandbox.toolchains import toolchains

TARGET_MS = 50.0


def main(rounds: int) -> int:
    """Measure and print; returns the exit code."""
    sandbox = find(os.environ)
    if sandbox is None:
        print("nothing isolates a command on this machine")
        return 1
    with tempfile.TemporaryDirectory() as directory:
        bare, boxed = measured(sandbox, Path(directory), rounds)
    added = [one - other for one, other in zip(boxed, bare, strict=True)]
    print(f"{rounds} pairs, {sandbox.path}")
    for name, found in (("bare", bare), ("sandboxed", boxed), ("added", added)):
        low, middle, high = statistics.quantiles(found, n=4)
        print(f"{name:10} median {middle:6.1f} ms, quartiles {low:.1f} to {high:.1f}")
    met = statistics.median(boxed) < TARGET_MS
    print(
        f"target: under {TARGET_MS:.0f} ms at the median: {'met' if met else 'missed'}"
    )
    return 0 if met else 1


def measured(
    sandbox: Bubblewrap, tree: Path, rounds: int
) -> tuple[list[float], list[float]]:
    """Milliseconds of each round, bare and sandboxed; a sandbox is mounted as for a
    check, with the user's toolchains."""
    place = Place(outside=tree, inside=tree, writable=True)
    bare, boxed = [], []
    tools = toolchains(os.environ, Path.home())  # once per run
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run(["true"], stdin=subprocess.DEVNULL, capture_output=True)
        middle = time.perf_counter()
        ended = run(
            sandbox,
            Job(
                command=("true",),
                directory=tree,
                places=(*tools.places, place),
                environment={**tools.variables, "PATH": "/usr/bin:/bin"},
            ),
        )
        boxed.append((time.perf_counter() - middle) * 1000)
        bare.append((middle - began) * 1000)
        assert ended.passed, ended
    return bare, boxed


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
