"""The state of the workspace after each attempt at a task: kept as commits, each on a
ref of its own, and put back.

The run's branch does not move. What is in no repository is kept in one of ours, beside
the workspace.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from crew.workspace.difference import FORM
from crew.workspace.git import git
from crew.workspace.workspace import Workspace
from crew.workspace.worktrees import DIFF, Repository

OUTSIDE = "."
"""The name of what is in no repository."""
_EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""git's name of a tree without files."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A directory whose state is kept; `options` say which repository keeps it."""

    path: Path
    options: tuple[str, ...] = ()

    def git(self, *arguments: str, check: bool = True) -> str:
        return git(self.path, *self.options, *arguments, check=check).strip()


def ref(run: str, task: str, number: int) -> str:
    """The ref of an attempt."""
    return f"refs/crew/{run}/{task}/{number}"


def keep(workspace: Workspace, run: str, task: str, number: int) -> dict[str, str]:
    """Keep how the files stand; returns the commit of each repository. Raises
    WorkspaceError."""
    kept = {}
    for name, place in _places(workspace):
        place.git("add", "--all")
        tree = place.git("write-tree")
        head = place.git("rev-parse", "--verify", "--quiet", "HEAD", check=False)
        parent = ("-p", head) if head else ()
        message = f"crew: {task}, attempt {number}"
        commit = place.git("commit-tree", tree, *parent, "-m", message)
        place.git("update-ref", ref(run, task, number), commit)
        kept[name] = commit
    return kept


def start(workspace: Workspace, run: str, task: str) -> dict[str, str]:
    """The commit of each repository before the first attempt, as far as it was kept as
    number 0; nothing where it was not. Raises WorkspaceError."""
    kept = {}
    for name, place in _places(workspace):
        named = f"{ref(run, task, 0)}^{{commit}}"
        known = place.git("rev-parse", "--verify", "--quiet", named, check=False)
        if known:
            kept[name] = known
    # What was kept without it had nothing outside, which `restore` knows.
    return kept


def restore(workspace: Workspace, kept: Mapping[str, str]) -> None:
    """Put the files back as they stood; what git ignores stays as it is. Raises
    WorkspaceError."""
    for name, place in _places(workspace):
        # Where nothing was outside then, nothing is kept of it.
        then = kept.get(name, _EMPTY if kept and name == OUTSIDE else None)
        if then is not None:
            place.git("add", "--all")
            place.git("read-tree", "--reset", "-u", then)


def _places(workspace: Workspace) -> Iterator[tuple[str, _Place]]:
    held = []
    for repository in workspace.repositories:
        if repository.branch is not None:
            held.append(repository.path.name)
            yield repository.path.name, _Place(repository.path)
    own = _own(workspace)
    # Without a repository, that nothing was there is a state as well.
    if (
        not held
        or own.exists()
        or any(one.name not in held for one in workspace.root.iterdir())
    ):
        yield OUTSIDE, _outside(workspace.root, own, held)


def _own(workspace: Workspace) -> Path:
    return workspace.root.with_suffix(".attempts")


def _outside(root: Path, own: Path, held: list[str]) -> _Place:
    """A repository of ours for what is in none."""
    place = _Place(root, (f"--git-dir={own}", f"--work-tree={root}"))
    if not own.exists():
        place.git("init", "--quiet", "--object-format=sha1")
    (own / "info").mkdir(exist_ok=True)
    lines = "".join(f"/{_literal(name)}/\n" for name in held)
    (own / "info" / "exclude").write_text(lines, encoding="utf-8")
    return place


def _literal(name: str) -> str:
    """A name as a pattern that fits it alone."""
    return "".join(f"\\{one}" if one in "\\*?[]!# " else one for one in name)


def shown(repositories: Iterable[Repository], run: str, task: str, number: int) -> str:
    """What one attempt changed, as git shows it; empty where its commits are gone.
    Raises WorkspaceError."""
    texts = []
    for one in repositories:
        if one.branch is None:
            continue
        # The worktree may be gone, the user's repository has the commits as well.
        where = one.path if one.apart else one.source
        named = f"{ref(run, task, number)}^{{commit}}"
        commit = git(where, "rev-parse", "--verify", "--quiet", named, check=False)
        if commit.strip():
            parents = git(where, "rev-list", "--parents", "-1", commit.strip()).split()
            span = (parents[1] if len(parents) > 1 else _EMPTY, commit.strip())
            texts.append(git(where, *DIFF, *FORM, "--patch", *span, "--"))
    return "".join(texts)
