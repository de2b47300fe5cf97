"""What all commands share: the exit codes, and what they print."""

import argparse
import json
import os
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import TextIO

from crew.errors import (
    CrewError,
    Mistake,
    QuotaExceeded,
    SettingsError,
    StoreUnavailable,
)
from crew.reports.text import escape_control
from crew.settings import Settings

DONE, FAILED, MISTAKEN, CLOSED = 0, 1, 2, 75
OUTPUT = Path("output")
"""Where runs go, below the working directory."""


def prepare_state(state_dir: Path) -> None:
    """Make the directory of our state. Raises StoreUnavailable."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        problem = "" if os.access(state_dir, os.W_OK | os.X_OK) else "not writable"
    except OSError as exc:
        problem = exc.strerror or str(exc)
    if problem:
        raise StoreUnavailable(
            f"{state_dir} cannot be used: {problem}; set CREW_STATE_DIR to a directory "
            "that can be written"
        )


def import_lifecycle(settings: Settings) -> ModuleType:
    """`crew.runs.lifecycle`, without CrewAI's noise. Imported here: crewai and litellm
    take seconds."""
    os.environ.setdefault(
        "CREWAI_STORAGE_DIR", str(settings.state_dir.absolute() / "crewai")
    )
    from crew.crew import quiet
    from crew.runs import lifecycle

    quiet()
    return lifecycle


def mistake(key: str, message: str) -> SettingsError:
    """The error for one argument."""
    return SettingsError(
        [Mistake(file="arguments", line=None, key=key, message=message)]
    )


def tell(line: str) -> None:
    """Print a notice of a run."""
    say(f"· {line}", file=sys.stderr)
    sys.stderr.flush()


def say(text: str, *, file: TextIO | None = None) -> None:
    """Print what models or providers may have written."""
    print(escape_control(text), file=file)


def resume_command(run: str, options: argparse.Namespace) -> str:
    """The command that goes on with a run."""
    config = f" --config {shlex.quote(options.config)}" if options.config else ""
    comment = ""
    if getattr(options, "comment", None):  # `crew report` has no such option
        comment = f" --comment {shlex.quote(options.comment)}"
        comment += " --post" if options.post else ""
    return f"crew{config} run --resume {run}{comment}"


def refuse(error: CrewError, *, as_json: bool) -> int:
    """Print what kept a command from its work; returns the exit code."""
    lines = [str(error)]
    if isinstance(error, SettingsError):
        lines = [str(mistake) for mistake in error.mistakes]
    for line in lines:
        say(f"crew: {line}", file=sys.stderr)
    if as_json:
        print(json.dumps({"error": lines}, indent=2))
    if isinstance(error, SettingsError):
        return MISTAKEN
    return CLOSED if isinstance(error, QuotaExceeded) else FAILED
