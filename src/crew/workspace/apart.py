"""Repositories of our own below `output/`: nothing of them is in the user's `.git`.

A rehearsal works in one that borrows the user's objects; of a copied directory one
holds the content that the run began with, outside of the copy.
"""

from contextlib import suppress
from pathlib import Path

from crew.errors import WorkspaceError, file_problem
from crew.workspace.git import git

_AS_STORED = "* -text -filter -ident -working-tree-encoding\n"
_BEGAN = "what the run began with"
_KEPT = ("core.autocrlf", "core.eol", "core.sparseCheckout", "core.sparseCheckoutCone")


def borrow(top: Path, directory: Path, branch: str, base: str) -> None:
    """Make a repository in `directory`, on a new branch at the commit `base` of the
    repository `top`. Raises WorkspaceError."""
    form = git(top, "rev-parse", "--show-object-format").strip()
    _make(directory, directory / ".git", f"--object-format={form}")
    inside = directory / ".git"
    try:
        lend(top, inside)
        for name in ("exclude", "attributes", "sparse-checkout"):
            _take_over(top, inside, f"info/{name}")
    except OSError as exc:
        raise WorkspaceError(file_problem(exc)) from exc
    for key in _KEPT:
        if value := git(top, "config", "--get", key, check=False).strip():
            git(directory, "config", key, value)
    git(directory, "update-ref", f"refs/heads/{branch}", base)
    git(directory, "symbolic-ref", "HEAD", f"refs/heads/{branch}")
    git(directory, "reset", "--quiet", "--hard")


def lend(top: Path, inside: Path) -> None:
    """Let the git directory `inside` read the objects of the repository `top`. Raises
    OSError and WorkspaceError."""
    objects = (top / git(top, "rev-parse", "--git-path", "objects").strip()).resolve()
    borrowed = inside / "objects/info/alternates"
    borrowed.parent.mkdir(parents=True, exist_ok=True)
    # Quoted as git reads it: a name may begin with a quote or hold a line end.
    borrowed.write_text(f"{_quoted(str(objects))}\n", encoding="utf-8")
    _take_over(top, inside, "shallow")


def record(copy: Path, inside: Path) -> str | None:
    """Keep the content that a copied directory begins with in the git directory
    `inside`; returns its commit, and None without git."""
    with suppress(WorkspaceError):
        _make(copy, inside, "--bare")
        (inside / "info").mkdir(exist_ok=True)
        (inside / "info/attributes").write_text(_AS_STORED, encoding="utf-8")
        return snapshot(copy, inside, None)
    return None


def snapshot(copy: Path, inside: Path, parent: str | None) -> str:
    """The commit of what the copied directory holds now. Raises WorkspaceError."""
    where = beside(copy, inside)
    git(copy, *where, "add", "--all", "--force", ".")
    tree = git(copy, *where, "write-tree").strip()
    parents = ("-p", parent) if parent else ()
    return git(copy, *where, "commit-tree", *parents, "-m", _BEGAN, tree).strip()


def beside(copy: Path, inside: Path) -> tuple[str, ...]:
    """The options of git for a directory whose git directory is elsewhere."""
    return (f"--git-dir={inside}", f"--work-tree={copy}")


def _make(where: Path, inside: Path, *options: str) -> None:
    where.mkdir(parents=True, exist_ok=True)
    # No template: it may hold hooks.
    kind = ("--bare", str(inside)) if "--bare" in options else (*options, ".")
    inside.parent.mkdir(parents=True, exist_ok=True)
    git(where, "init", "--quiet", "--template=", *kind)
    (inside / "info").mkdir(exist_ok=True)


def _take_over(top: Path, inside: Path, name: str) -> None:
    source = top / git(top, "rev-parse", "--git-path", name).removesuffix("\n")
    with suppress(FileNotFoundError):
        (inside / name).write_bytes(source.read_bytes())


def _quoted(path: str) -> str:
    if not path.startswith('"') and "\n" not in path:
        return path
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
