"""A run's branch brought into the user's checkout: whole, or nothing is changed.

All is prepared beside the checkout first. No hook, filter or merge driver of the
repository runs.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from crew.errors import WorkspaceError
from crew.workspace.git import git
from crew.workspace.secrets import listed

_UNDER_WAY = {
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
}
_DRIVER = re.compile(r"merge\.(.*)\.driver", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The way of one checkout from the commit `before` to `after`."""

    source: Path
    before: str
    after: str


class Conflict(WorkspaceError):
    """Both sides changed the same lines of `files`."""

    def __init__(self, source: Path, branch: str, files: Sequence[str]) -> None:
        super().__init__(f"{source}: {branch} conflicts with it in {listed(files)}")
        self.source, self.branch, self.files = source, branch, tuple(files)


def start(source: Path) -> Step:
    """The step that changes nothing yet. Raises WorkspaceError for a checkout that
    must not be changed now."""
    if git(source, "rev-parse", "--is-bare-repository").strip() == "true":
        raise WorkspaceError(f"{source} is a bare repository: it has no checkout")
    for name, what in _UNDER_WAY.items():
        if (source / git(source, "rev-parse", "--git-path", name).strip()).exists():
            raise WorkspaceError(f"{source}: {what} is under way; finish it first")
    status = ("status", "--porcelain", "-z", "-uno", "--ignore-submodules=dirty")
    changed = [one[3:] for one in git(source, *status).split("\0") if one[2:3] == " "]
    if changed:
        raise WorkspaceError(
            f"{source} has changes that are not committed: {listed(changed)}; commit "
            f"them, or put them aside: git -C {source} stash"
        )
    head = git(source, "rev-parse", "HEAD").strip()
    return Step(source=source, before=head, after=head)


def with_branch(step: Step, branch: str) -> Step:
    """The step with a branch merged in. Raises Conflict, and WorkspaceError."""
    source, onto = step.source, step.after
    ref = f"refs/heads/{branch}^{{commit}}"
    tip = git(source, "rev-parse", "--verify", "--quiet", ref, check=False).strip()
    if not tip:
        raise WorkspaceError(f"{source}: the branch {branch} is gone")
    base = git(source, "merge-base", onto, tip, check=False).strip()
    if base == tip:
        return step
    if base == onto:
        return Step(source=source, before=step.before, after=tip)
    merge = ("merge-tree", "--write-tree", "--name-only", "--no-messages", "-z")
    found = git(source, *_without_drivers(source), *merge, onto, tip, differs=True)
    tree, *files = filter(None, found.split("\0"))
    if files:
        raise Conflict(source, branch, sorted(set(files)))
    parents = ("-p", onto, "-p", tip)
    text = ("-m", f"Merge branch '{branch}'")
    made = git(source, *_identity(source), "commit-tree", *parents, *text, tree.strip())
    return Step(source=source, before=step.before, after=made.strip())


def check(step: Step) -> None:
    """Whether the checkout can take the step; it stays as it is. Raises
    WorkspaceError."""
    if step.before == step.after:
        return
    _check_filters(step)
    _check_untracked(step)
    git(step.source, "update-index", "-q", "--refresh", check=False)
    git(step.source, "read-tree", "-m", "-u", "-n", step.before, step.after)


def take(step: Step, *, note: str, commit: bool) -> None:
    """Bring the checkout to the end of the step; without `commit`, its changes are
    not committed. Raises WorkspaceError, and then the checkout is as before."""
    if step.before == step.after:
        return
    try:
        git(step.source, "read-tree", "-m", "-u", step.before, step.after)
        if commit:
            moved = ("HEAD", step.after, step.before)
            git(step.source, "update-ref", "-m", note, *moved)
        else:
            git(step.source, "reset", "--quiet", "--mixed", "-N")
    except WorkspaceError:
        take_back(step)
        raise


def take_back(step: Step) -> None:
    """Bring the checkout back to where the step began; it had no changes then."""
    if step.before == step.after:
        return
    # All that the step brought is in the index, so that git removes new files too.
    git(step.source, "read-tree", step.after, check=False)
    git(step.source, "read-tree", "--reset", "-u", step.before, check=False)
    git(step.source, "update-ref", "HEAD", step.before, check=False)


def _check_untracked(step: Step) -> None:
    """New files must not take the place of others, those that git ignores included."""
    known = set(_names(step, "ls-tree", "-r", "--name-only", "-z", step.before))
    span = (step.before, step.after)
    new = _names(step, "diff-tree", "-r", "--name-only", "-z", "--diff-filter=A", *span)
    taken = []
    for name in new:
        for part in (PurePosixPath(name), *PurePosixPath(name).parents):
            path = step.source / part
            is_place = path.is_dir() and not path.is_symlink() and str(part) != name
            if os.path.lexists(path) and not is_place and str(part) not in known:
                taken.append(str(part))
    if taken:
        raise WorkspaceError(
            f"{step.source} has files of that name already, in no commit: "
            f"{listed(sorted(set(taken)))}; move them away"
        )


def _check_filters(step: Step) -> None:
    """git stores these files in another form, by a program that we do not run."""
    span = (step.before, step.after)
    names = _names(step, "diff-tree", "-r", "--name-only", "-z", *span)
    for start_at in range(0, len(names), 500):
        some = names[start_at : start_at + 500]
        found = git(step.source, "check-attr", "-z", "filter", "--", *some).split("\0")
        filtered = [
            name
            for name, value in zip(found[::3], found[2::3], strict=False)
            if value not in ("unspecified", "unset")
        ]
        if filtered:
            raise WorkspaceError(
                f"{step.source}: a filter of the repository is needed for "
                f"{listed(filtered)}, and none runs here; merge the branch with git"
            )


def _names(step: Step, *command: str) -> list[str]:
    return [name for name in git(step.source, *command).split("\0") if name]


def _without_drivers(source: Path) -> list[str]:
    """Options by which each merge driver of the configuration fails: a conflict."""
    options = []
    for name in git(source, "config", "--list", "--name-only", "-z").split("\0"):
        if _DRIVER.fullmatch(name) and "=" not in name:
            options += ["-c", f"{name}=false"]
    return options


def _identity(source: Path) -> list[str]:
    """Options that let the user be the author of a merge, where git knows who he is."""
    options = []
    for key in ("user.name", "user.email"):
        known = git(source, "config", "--show-scope", "-z", "--get-all", key).split(
            "\0"
        )
        pairs = zip(known[::2], known[1::2], strict=False)
        own = [value for scope, value in pairs if scope != "command"]
        if own:
            options += ["-c", f"{key}={own[-1]}"]
    return options
