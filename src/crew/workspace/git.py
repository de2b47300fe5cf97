"""git as we call it: bounded in time, again when another git is at work, and without
the programs that a repository's configuration names.

A repository may come from anywhere, with its `.git/config`: its hooks, filters and
helpers stay off, and so does the network.
"""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from crew.clock import SystemClock
from crew.errors import WorkspaceError
from crew.processes.environment import inherited

_SECONDS = 120
# What git says when another git is at work in the same repository. The last one is
# `worktree add` reading the half-made worktree of another.
_BUSY = re.compile(r"\.lock'?: File exists|could not lock|already locked|commondir")


def git(
    directory: Path, *arguments: str, check: bool = True, differs: bool = False
) -> str:
    """Run git, again while another one holds a lock; returns what it printed, and
    nothing when it failed unchecked. With `differs` the exit code 1 is an answer, not
    a failure. Raises WorkspaceError."""
    command = (*_without_filters(directory), *arguments)
    done = _once(directory, command)
    for seconds in _WAITS:
        if done.returncode == 0 or not _BUSY.search(done.stderr):
            break
        SystemClock().sleep(seconds)
        done = _once(directory, command)
    if done.returncode == 0 or (differs and done.returncode == 1):
        return done.stdout
    if check:
        reason = _shown(_reason(done.stderr))
        raise WorkspaceError(f"{directory}: git {arguments[0]}: {reason}")
    return ""


def filters(directory: Path) -> list[str]:
    """The filters, such as `lfs`, that git would run on files there, by its
    configuration. Raises WorkspaceError."""
    # Asked anew each time: what a configuration includes depends on the branch.
    names = _once(directory, ("config", "--list", "--name-only", "-z")).stdout
    found = [one[1] for name in names.split("\0") if (one := _FILTER.fullmatch(name))]
    return list(dict.fromkeys(found))


def _without_filters(directory: Path) -> list[str]:
    """Options that turn each filter off."""
    options = []
    for name in filters(directory):
        if "=" in name:
            raise WorkspaceError(f"{directory}: git knows a filter named {name!r}")
        for key, value in _OFF.items():
            options += ["-c", f"filter.{name}.{key}={value}"]
    return options


def _reason(reported: str) -> str:
    """What git says is wrong, and the command by which git itself would mend it."""
    lines = reported.strip().splitlines() or ["no reason given"]
    # The advice that git adds at the end is no reason.
    reasons = (line for line in lines if line.startswith(("fatal:", "error:")))
    reason = next(reasons, lines[-1])
    remedy = next((line.strip() for line in lines if line.startswith("\tgit ")), None)
    return f"{reason}; git says how to allow it: {remedy}" if remedy else reason


def _once(
    directory: Path, arguments: Sequence[str]
) -> "subprocess.CompletedProcess[str]":
    try:
        done = subprocess.run(
            ["git", *_OPTIONS, *arguments],
            cwd=directory,
            env=_environment(os.environ),
            capture_output=True,
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
        )
        # Not as `text`: a difference holds line ends as the files do.
        out, err = (
            printed.decode("utf-8", "surrogateescape")
            for printed in (done.stdout, done.stderr)
        )
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)
    except FileNotFoundError:
        return subprocess.CompletedProcess([], 127, "", "git is not installed")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess([], 124, "", f"it took over {_SECONDS} s")


def _shown(text: str) -> str:
    return text.encode("utf-8", errors="replace").decode("utf-8")


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Nothing that points git at another repository, or holds a key."""
    # Reading the user's status must not rewrite his index.
    # What git says is read, so it must not be translated.
    return {
        **inherited(ours),
        "GIT_TERMINAL_PROMPT": "0",
        # A partial clone would fetch what it lacks, by a command that it names.
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_ASKPASS": "",
        "GIT_EDITOR": ":",
        "GIT_PAGER": "cat",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
    }


_FILTER = re.compile(r"filter\.(.*)\.[^.]*", re.DOTALL)
_OFF = {"clean": "", "smudge": "", "process": "", "required": "false"}
_WAITS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 1.6)
# No hooks, no signing, no identity needed: what the user configured for commits of
# his own must neither run nor stop this.
_OPTIONS = (
    "--no-pager",
    "-c", "core.hooksPath=/dev/null",
    "-c", "commit.gpgsign=false",
    "-c", "user.name=crew",
    "-c", "user.email=crew@localhost",
    "-c", "core.fsmonitor=false",
    "-c", "core.sshCommand=false",
    "-c", "core.gitProxy=false",
    "-c", "core.alternateRefsCommand=false",
    "-c", "credential.helper=",
    "-c", "diff.external=",
    "-c", "protocol.allow=never",
    "-c", "core.safecrlf=false",
    "-c", "core.filesRefLockTimeout=2000",
    "-c", "submodule.recurse=false",
    "-c", "gc.auto=0",
    "-c", "maintenance.auto=false",
)  # fmt: skip
