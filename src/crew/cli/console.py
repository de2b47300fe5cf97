"""What all commands share: the exit codes, and what they print."""

import io
import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from crew.errors import CrewError, Mistake, QuotaExceeded, SettingsError
from crew.texts.escapes import escape_control
from crew.texts.masking import Secrets
from crew.texts.stream import SafeStream, safe_streams

DONE, FAILED, MISTAKEN, CLOSED = 0, 1, 2, 75
_NO_TERMINAL = 100
"""Columns of what is not a terminal."""
OUTPUT = Path("output")
"""Where runs go, below the working directory."""


def argument_mistake(key: str, message: str) -> Mistake:
    """What is wrong with one argument."""
    return Mistake(file="arguments", line=None, key=key, message=message)


def argument_error(key: str, message: str) -> SettingsError:
    """The error for one wrong argument."""
    return SettingsError([argument_mistake(key, message)])


def refuse_together(given: Mapping[str, bool], others: str) -> None:
    """Raise SettingsError for the first argument that is given and does not go together
    with `others`."""
    for name, is_given in given.items():
        if is_given:
            raise argument_error(name, f"it does not go together with {others}")


def print_notice(line: str) -> None:
    """Print a notice of a run."""
    print_safe(f"· {line}", file=sys.stderr)
    sys.stderr.flush()


def print_safe(text: str, *, file: TextIO | None = None) -> None:
    """Print what models or providers may have written."""
    print(escape_control(text), file=file)


def clear_screen() -> None:
    """Clear the terminal, for what is shown again and again; others get a line."""
    out = _beneath()
    clears = out.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    print("\033[2J\033[H" if clears else "\n", end="", file=out)


@contextmanager
def safe_output(secrets: Secrets) -> Iterator[None]:
    """As `safe_streams`, for streams that take every character."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Models write what a terminal, or UTF-8, cannot say.
            stream.reconfigure(errors="backslashreplace")
    with safe_streams(secrets):
        yield


def terminal_lines() -> int | None:
    """How many lines the terminal has; None where there is none."""
    return shutil.get_terminal_size().lines if _beneath().isatty() else None


def terminal_width() -> int:
    """How many columns the terminal has; a pipe has 100."""
    return shutil.get_terminal_size((_NO_TERMINAL, 24)).columns


def draws_blocks() -> bool:
    """Whether the output is a terminal that draws the blocks of a bar."""
    environ = os.environ
    if not _beneath().isatty() or environ.get("TERM", "dumb") == "dumb":
        return False
    # Python calls the plain C locale UTF-8, and says so in LC_CTYPE.
    kind = environ.get("LC_CTYPE", "").removeprefix("C.UTF-8")
    said = environ.get("LC_ALL") or kind or environ.get("LANG", "")
    return said.lower().replace("-", "").endswith("utf8")


def _beneath() -> TextIO:
    """The output itself: a safe stream is no terminal to those who ask."""
    out = sys.stdout
    return out.beneath if isinstance(out, SafeStream) else out


def resume_command(run: str, config: str | None, *more: str) -> str:
    """The command that goes on with a run; `more` are further options of it."""
    given = ["--config", config] if config else []
    return shlex.join(["crew", *given, "run", "--resume", run, *more])


def error_lines(error: BaseException) -> list[str]:
    """What went wrong, one line for each thing."""
    if isinstance(error, SettingsError):
        return [str(mistake) for mistake in error.mistakes]
    return [str(error) or type(error).__name__]


def print_error(error: CrewError, *, as_json: bool) -> int:
    """Print what kept a command from its work; returns the exit code."""
    lines = error_lines(error)
    for line in lines:
        print_safe(f"crew: {line}", file=sys.stderr)
    if as_json:
        print(json.dumps({"error": lines}, indent=2))
    if isinstance(error, SettingsError):
        return MISTAKEN
    return CLOSED if isinstance(error, QuotaExceeded) else FAILED
