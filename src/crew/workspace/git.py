"""git as we call it: bounded in time, without the user's hooks, again when another git
is at work."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from crew.clock import SystemClock
from crew.errors import WorkspaceError

_SECONDS = 120
# What git says when another git is at work in the same repository. The last one is
# `worktree add` reading the half-made worktree of another.
_FILTER = re.compile(r"(?:smudge|clean) filter '?([\w.-]+?)'? failed")
_BUSY = re.compile(r"\.lock'?: File exists|could not lock|already locked|commondir")


class GitFailed(WorkspaceError):
    """git refused; `filters` are those of its filters that could not run."""

    def __init__(self, message: str, filters: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.filters = tuple(filters)


def git(
    directory: Path,
    *arguments: str,
    check: bool = True,
    without: Sequence[str] = (),
) -> str:
    """Run git, again while another one holds a lock; returns what it printed, and
    nothing when it failed unchecked. The filters `without` do not run: files are
    taken as they are stored.

    Raises GitFailed.
    """
    arguments = (*_unfiltered(without), *arguments)
    done = _once(directory, arguments)
    for seconds in _WAITS:
        if done.returncode == 0 or not _BUSY.search(done.stderr):
            break
        SystemClock().sleep(seconds)
        done = _once(directory, arguments)
    if done.returncode == 0:
        return done.stdout
    if check:
        command = arguments[len(_unfiltered(without))]
        reason = _shown(_reason(done.stderr))
        failed = _FILTER.findall(done.stderr)
        raise GitFailed(f"{directory}: git {command}: {reason}", failed)
    return ""


def _reason(reported: str) -> str:
    """What git says is wrong, and the command by which git itself would mend it."""
    lines = reported.strip().splitlines() or ["no reason given"]
    # The advice that git adds at the end is no reason.
    reasons = (line for line in lines if line.startswith(("fatal:", "error:")))
    reason = next(reasons, lines[-1])
    remedy = next((line.strip() for line in lines if line.startswith("\tgit ")), None)
    return f"{reason}; git says how to allow it: {remedy}" if remedy else reason


def _unfiltered(names: Sequence[str]) -> tuple[str, ...]:
    """The options with which git runs none of these filters."""
    values = ("required=false", "smudge=", "clean=", "process=")
    settings = [f"filter.{name}.{value}" for name in names for value in values]
    return tuple(part for setting in settings for part in ("-c", setting))


def _once(
    directory: Path, arguments: Sequence[str]
) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            ["git", *_OPTIONS, *arguments],
            cwd=directory,
            env=_environment(os.environ),
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess([], 127, "", "git is not installed")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess([], 124, "", f"it took over {_SECONDS} s")


def _shown(text: str) -> str:
    return text.encode("utf-8", errors="replace").decode("utf-8")


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """The environment without what points git at another repository."""
    kept = {
        name: value
        for name, value in ours.items()
        if name[:4] != "GIT_" or name in _KEPT
    }
    # Reading the user's status must not rewrite his index.
    # What git says is read, so it must not be translated.
    return {
        **kept,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
    }


_KEPT = ("GIT_LFS_SKIP_SMUDGE",)
"""The user's wish for each checkout; it points git nowhere."""
_WAITS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 1.6)
# No hooks, no signing, no identity needed: what the user configured for commits of
# his own must neither run nor stop this.
_OPTIONS = (
    "-c", "core.hooksPath=/dev/null",
    "-c", "commit.gpgsign=false",
    "-c", "user.name=crew",
    "-c", "user.email=crew@localhost",
    "-c", "core.fsmonitor=false",
    "-c", "core.safecrlf=false",
    "-c", "core.filesRefLockTimeout=2000",
    "-c", "submodule.recurse=false",
    "-c", "gc.auto=0",
    "-c", "maintenance.auto=false",
)  # fmt: skip
