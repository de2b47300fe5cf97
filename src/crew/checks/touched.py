"""What a run made of the files that hold tests or decide which run."""

from contextlib import suppress
from dataclasses import dataclass

from crew.checks.ground import Ground
from crew.checks.test_names import decides, removed
from crew.errors import WorkspaceError
from crew.workspace.git import git
from crew.workspace.worktrees import DIFF

_BYTES = 1024 * 1024
_FILES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """The `files` of that kind that differ from the base, and the tests that are
    `gone` from them."""

    files: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def touched(ground: Ground) -> Touched:
    """What differs from the base now, committed or not. Nothing where there is no
    base, or nobody can say."""
    if ground.repository is None or ground.repository.base is None:
        return Touched()
    base = ground.repository.base
    with suppress(WorkspaceError):
        changed = git(
            ground.tree, *DIFF, "--no-renames", "--name-only", "-z", base, "--"
        )
        new = git(ground.tree, "ls-files", "--others", "--exclude-standard", "-z")
        old = set(filter(None, changed.split("\0")))
        files = sorted(filter(decides, old | set(filter(None, new.split("\0")))))
        before = {}
        for path in [path for path in files if path in old][:_FILES]:
            before[path] = git(
                ground.tree, "cat-file", "blob", f"{base}:{path}", check=False
            )
        now = {path: _text(ground, path) for path in files[:_FILES]}
        return Touched(files=tuple(files), gone=tuple(removed(before, now)))
    return Touched()


def _text(ground: Ground, path: str) -> str:
    """What a file of the worktree holds; nothing for a link that leads elsewhere."""
    file = ground.tree / path
    with suppress(OSError):
        inside = file.resolve().is_relative_to(ground.tree)
        if inside and file.is_file() and file.stat().st_size <= _BYTES:
            return file.read_text(encoding="utf-8", errors="replace")
    return ""
