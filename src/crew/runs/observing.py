"""Telemetry of a run, where the environment asks for it."""

import os
import weakref
from collections.abc import Sequence
from contextlib import suppress

from crew.calls.run import Run
from crew.errors import CrewError
from crew.quota.store import PoolState
from crew.telemetry import telemetry


def observe(run: Run) -> None:
    """Send the run's spans and metrics to where the standard variables say."""
    progress = run.guard.progress
    listener = telemetry(run.settings, os.environ, progress.notice)
    if listener is None:
        return
    progress.join(listener)
    known = weakref.ref(run)

    def pools() -> Sequence[PoolState]:
        """How the limits stand; nothing once the run is over."""
        found = known()
        with suppress(CrewError):
            if found is not None:
                return found.guard.status()
        return ()

    listener.watch(pools)
