"""Which files of the workspace changed since a moment, whoever changed them."""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from crew.errors import WorkspaceError
from crew.workspace.git import git
from crew.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How the files stood: the commit of each repository with what no commit held, and
    the content of each file outside of them."""

    commits: Mapping[str, str]
    files: Mapping[str, str]


def mark(workspace: Workspace) -> Mark:
    """How the files stand now. Raises WorkspaceError."""
    tracked = [one for one in workspace.repositories if one.branch is not None]
    commits = {one.name: git(one.path, "rev-parse", "HEAD").strip() for one in tracked}
    held = {one.path.name for one in tracked}
    files = {
        name: _digest(workspace.root / name)
        for name in workspace.files()
        if Path(name).parts[0] not in held
    }
    return Mark(commits=commits, files=files | _uncommitted(workspace))


def begun(workspace: Workspace, task: str) -> Mark:
    """How the files stood when the task first began: a resumed run goes on with what
    the task wrote before. Raises WorkspaceError."""
    kept = workspace.root.with_suffix(".marks") / f"{task}.json"
    known = _known(kept)
    if known is not None:
        return known
    now = mark(workspace)
    try:
        _keep(kept, json.dumps(asdict(now)))
    except OSError as exc:
        raise WorkspaceError(f"{kept} cannot be written: {exc.strerror}") from exc
    return _known(kept) or now


def _known(kept: Path) -> Mark | None:
    try:
        return Mark(**json.loads(kept.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _keep(kept: Path, text: str) -> None:
    """Write the file, whole, unless another copy of the crew did before."""
    kept.parent.mkdir(exist_ok=True)
    with NamedTemporaryFile("w", dir=kept.parent, encoding="utf-8") as file:
        file.write(text)
        file.flush()
        with suppress(FileExistsError):
            os.link(file.name, kept)


def changed_since(workspace: Workspace, before: Mark) -> list[str]:
    """The files that differ from what they were, sorted. Raises WorkspaceError."""
    now = mark(workspace)
    names = {
        name
        for name in {*now.files, *before.files}
        if now.files.get(name) != before.files.get(name)
    }
    for repository in workspace.repositories:
        commit = before.commits.get(repository.name)
        if commit is not None and now.commits[repository.name] != commit:
            listed = git(repository.path, "diff", "--name-only", "-z", commit, "HEAD")
            names |= {f"{repository.name}/{one}" for one in listed.split("\0") if one}
    return sorted(names)


def _uncommitted(workspace: Workspace) -> dict[str, str]:
    """The content of what differs from the latest commit of its repository."""
    found = {}
    for repository in workspace.repositories:
        if repository.branch is None:
            continue
        top = repository.path
        listed = git(top, "diff", "--name-only", "-z", "HEAD")
        listed += git(top, "ls-files", "--others", "--exclude-standard", "-z")
        for one in filter(None, listed.split("\0")):
            found[f"{repository.name}/{one}"] = _digest(top / one)
    return found


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:  # gone, or out of reach
        return ""
