"""The bounds that a script of ours sets on itself, as only it can.

Light to import: the scripts start once for each image, and know nothing else of ours.
"""

import resource
from contextlib import suppress


def bound(*, memory_bytes: int, cpu_seconds: int) -> None:
    """Let this process take so much memory and processor time at most, and write no
    file."""
    for limit, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        # Not every system knows each of them; the parent's timeout is left.
        with suppress(ValueError, OSError):
            hard = resource.getrlimit(limit)[1]
            within = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(limit, (within, within))
