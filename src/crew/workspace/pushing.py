"""Pushing a branch to where the repository came from, and to nowhere else.

git works in an empty repository that borrows the objects, so that no line of the
repository's own configuration counts: not its hooks, helpers, nor rewritten addresses.
"""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import crew.workspace.apart as apart
from crew.errors import WorkspaceError
from crew.processes.environment import inherited
from crew.texts.masking import Secrets
from crew.workspace.git import git

_SECONDS = 120
_NEEDED = (
    *("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY"),
    *("SSL_CERT_FILE", "GIT_SSL_CAINFO", "SSH_AUTH_SOCK"),
)
_HTTPS = re.compile(r"https://(?:[^@/]+@)?([^/:@]+(?::\d+)?)/(.+)")
_SSH = re.compile(r"(?:ssh://)?(?:[\w.-]+@)([^/:@]+)(?::\d+)?[:/](.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """Where a repository came from. `host` is empty for a directory; `name` is what
    stands behind the host, such as `ada/shop`."""

    url: str
    host: str
    name: str

    @property
    def is_https(self) -> bool:
        return self.url.startswith("https://")


def remote(source: Path, name: str = "origin") -> Remote:
    """The remote of a repository. Raises WorkspaceError."""
    url = git(source, "config", "--get", f"remote.{name}.url", check=False).strip()
    if not url:
        raise WorkspaceError(f"{source} has no remote {name!r}")
    for form in (_HTTPS, _SSH):
        if (found := form.fullmatch(url)) is not None:
            path = found[2].removesuffix("/").removesuffix(".git")
            return Remote(url=url, host=found[1].lower(), name=path)
    if Path(url).is_absolute():
        return Remote(url=url, host="", name=Path(url).name.removesuffix(".git"))
    raise WorkspaceError(f"{source}: the address of {name!r} is none to push to")


def push(source: Path, branch: str, to: Remote, token: str) -> None:
    """Push a branch under its own name; what is there is never overwritten. The
    token goes to the host of the remote alone. Raises WorkspaceError."""
    ref = f"refs/heads/{branch}"
    tip = git(source, "rev-parse", "--verify", f"{ref}^{{commit}}").strip()
    with TemporaryDirectory(prefix="crew-push-") as made, _asked(to, token) as given:
        environment, handles = given
        inside = Path(made) / "git"
        git(Path(made), "init", "--quiet", "--template=", "--bare", str(inside))
        try:
            apart.lend(source, inside)
        except OSError as exc:
            raise WorkspaceError(f"{source}: {exc.strerror}") from exc
        _push(inside, _address(to), f"{tip}:{ref}", environment, handles, token)


def _address(to: Remote) -> str:
    return f"https://x-access-token@{to.host}/{to.name}.git" if to.is_https else to.url


def _push(
    inside: Path,
    address: str,
    span: str,
    environment: Mapping[str, str],
    handles: tuple[int, ...],
    token: str,
) -> None:
    scheme = "https" if address.startswith("https:") else "file"
    if not address.startswith(("https:", "/")):
        scheme = "ssh"
    options = (
        *("-c", "protocol.allow=never", "-c", f"protocol.{scheme}.allow=always"),
        *("-c", "credential.helper=", "-c", "http.followRedirects=false"),
        *("-c", "core.hooksPath=/dev/null", "-c", "push.gpgSign=false"),
    )
    command = ["git", *options, "push", "--quiet", "--no-verify", "--", address, span]
    try:
        done = subprocess.run(
            command,
            cwd=inside,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            pass_fds=handles,
        )
    except FileNotFoundError:
        raise WorkspaceError("git is not installed") from None
    except subprocess.TimeoutExpired:
        raise WorkspaceError(f"git push: it took over {_SECONDS} s") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        reasons = [one for one in said if one.startswith(("fatal:", "error:", " ! "))]
        reason = (reasons or said or ["no reason given"])[0].strip()
        raise WorkspaceError(
            f"git push: {Secrets(frozenset({token})).masked(reason)}; not opened"
        )


@contextmanager
def _asked(to: Remote, token: str) -> Iterator[tuple[dict[str, str], tuple[int, ...]]]:
    """The environment of git, and the open files that it inherits."""
    environment = {
        **inherited(os.environ),
        **{name: os.environ[name] for name in _NEEDED if name in os.environ},
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        "LC_ALL": "C",
    }
    if not to.is_https:
        yield environment, ()
        return
    with TemporaryFile() as file, TemporaryDirectory(prefix="crew-ask-") as made:
        file.write(token.encode("ascii"))
        file.flush()
        script = Path(made) / "askpass"
        program = Path(__file__).with_name("askpass.py")
        script.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" -I "{program}" "$@"\n',
            encoding="utf-8",
        )
        script.chmod(stat.S_IRWXU)
        handle = file.fileno()
        yield (
            environment
            | {
                "GIT_ASKPASS": str(script),
                "CREW_PUSH_HOST": to.host,
                "CREW_PUSH_HANDLE": str(handle),
            },
            (handle,),
        )


def base_branch(source: Path, commit: str) -> str | None:
    """The branch that a run began on, as far as git can say: the one that is checked
    out, if it holds the commit, else the remote's own; None where neither is known."""
    with suppress(WorkspaceError):
        name = git(source, "symbolic-ref", "--short", "HEAD", check=False).strip()
        base = git(source, "merge-base", "HEAD", commit, check=False).strip()
        if name and base == commit and not name.startswith("crew"):
            return name
        head = "refs/remotes/origin/HEAD"
        name = git(source, "symbolic-ref", "--short", head, check=False).strip()
        if name:
            return name.removeprefix("origin/")
    return None
