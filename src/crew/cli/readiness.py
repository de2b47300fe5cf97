"""What has to be ready before a command runs a crew: our state, and CrewAI."""

import os
from pathlib import Path
from types import ModuleType

from crew.errors import StoreUnavailable
from crew.processes.imports import without_their_files
from crew.settings import Settings


def prepare_state(state_dir: Path) -> None:
    """Make the directory of our state. Raises StoreUnavailable."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        problem = "" if os.access(state_dir, os.W_OK | os.X_OK) else "not writable"
    except OSError as exc:
        problem = exc.strerror or str(exc)
    if problem:
        raise _unusable(state_dir, problem)


def look_at_state(state_dir: Path) -> None:
    """For what only reads, and makes nothing: raise StoreUnavailable where the
    directory of our state cannot be, so that this is not taken for an empty one."""
    problem = ""
    try:
        places = (state_dir, *state_dir.absolute().parents)
        there = next(place for place in places if place.exists())
        if not there.is_dir():
            problem = f"{there} is no directory"
        elif there == state_dir and not os.access(state_dir, os.R_OK | os.X_OK):
            problem = "not readable"
    except OSError as exc:
        problem = exc.strerror or str(exc)
    if problem:
        raise _unusable(state_dir, problem)


def _unusable(state_dir: Path, problem: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"{state_dir} cannot be used: {problem}; set CREW_STATE_DIR to a directory "
        "that can be written"
    )


def import_lifecycle(settings: Settings) -> ModuleType:
    """`crew.runs.lifecycle`, without CrewAI's noise. Imported here: crewai and litellm
    take seconds."""
    os.environ.setdefault(
        "CREWAI_STORAGE_DIR", str(settings.state_dir.absolute() / "crewai")
    )
    with without_their_files():
        from crew.crew import quiet
        from crew.runs import lifecycle

    quiet()
    return lifecycle
