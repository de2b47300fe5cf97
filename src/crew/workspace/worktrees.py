"""Git worktrees for a run: the crew works on a branch of its own, and the user's
checkout is never touched."""

import shutil
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile

import crew.workspace.apart as apart
from crew.errors import WorkspaceError
from crew.workspace.git import git
from crew.workspace.secrets import is_private_key, is_secret
from crew.workspace.submodules import fill as fill_submodules
from crew.workspace.text import shown

SKIPPED = frozenset({".git", ".hg", ".svn", ".venv", "node_modules", "__pycache__"})
_HEAD_BYTES = 256
COPY_BYTES = 200 * 1024 * 1024
_FACTS = ("--is-bare-repository", "--is-inside-git-dir", "--absolute-git-dir")
# A submodule has a configuration of its own, which git would follow there.
_OWN = ("--ignore-submodules=dirty",)
DIFF = ("diff", "--no-ext-diff", "--no-textconv", *_OWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """One repository of a run.

    `name` is where the crew works, as it names it. `source` is the user's directory
    (the top of a git repository), `path` the crew's. `branch` and `base` (a commit)
    are None for a copy of what is no git repository. `submodules` are directories in
    which nothing is kept, `empty` those of them that hold nothing. `secrets` are files
    that look like one: a copy lacks them, and in a worktree no tool reads them.
    `filters` are those that the repository's attributes name: they do not run here.
    `apart`: the branch is in a repository of the crew's own, not in the user's.
    """

    name: str
    source: Path
    path: Path
    branch: str | None = None
    base: str | None = None
    submodules: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    apart: bool = False

    @property
    def began(self) -> Path:
        """The git directory with the content that a copy began with."""
        return self.path.parent.with_suffix(".began") / self.path.name


def add(
    source: Path,
    directory: Path,
    name: str,
    run: str,
    *,
    own: Sequence[Path] = (),
    rehearsal: bool = False,
) -> Repository:
    """Make a worktree of a git repository, or a copy of any other directory. In a
    `rehearsal` nothing is made in the repository itself.

    A directory of a repository stands for the whole repository, in which its name
    points at that directory; one that the repository does not know is copied, and so
    is a repository without a commit. Submodules are filled from the user's checkout,
    for reading. A copy leaves out `own`, directories of ours.

    Raises WorkspaceError when git refuses, or when a copy would be too large; then
    no branch is left.
    """
    source = source.resolve()
    top = top_level(source)
    if top is None:
        secrets = _copy(source, directory, {path.resolve() for path in own})
        copy = Repository(name=name, source=source, path=directory, secrets=secrets)
        return replace(copy, base=apart.record(directory, copy.began))
    base = git(top, "rev-parse", "HEAD").strip()
    made = Repository(
        name=str(PurePosixPath(name, source.relative_to(top).as_posix())),
        source=top,
        path=directory,
        branch=f"crew/{run}" if rehearsal else _new_branch(top, run, base),
        base=base,
        apart=rehearsal,
    )
    try:
        return _filled(made)
    except BaseException:
        remove(made)
        raise


def _filled(made: Repository) -> Repository:
    top, directory = made.source, made.path
    path, branch = str(directory), str(made.branch)
    if made.apart:
        apart.borrow(top, directory, branch, str(made.base))
    else:
        git(top, "worktree", "add", "--quiet", "--no-checkout", path, branch)
        # A command of its own: it asks for the filters of the configuration there.
        git(directory, "reset", "--quiet", "--hard")
    submodules, empty = fill_submodules(top, directory)
    return replace(
        made,
        submodules=submodules,
        empty=empty,
        secrets=_secrets(directory),
        filters=_filters(directory),
    )


def remove(repository: Repository) -> None:
    """Take a worktree and its branch, or a copy, away again."""
    if repository.branch is not None and not repository.apart:
        path = str(repository.path)
        git(repository.source, "worktree", "remove", "--force", path, check=False)
        git(repository.source, "branch", "-D", repository.branch, check=False)
    shutil.rmtree(repository.path, ignore_errors=True)
    shutil.rmtree(repository.began, ignore_errors=True)


def commit(repository: Repository, message: str) -> None:
    """Commit everything that changed, if anything did."""
    if repository.branch is None:
        return
    here = repository.path
    # What the crew wrote beyond a sparse checkout belongs into the commit as well.
    sparse = git(here, "config", "--get", "core.sparseCheckout", check=False).strip()
    git(here, "add", "--all", *(("--sparse",) if sparse == "true" else ()))
    # Not `status`: it also lists changes that no commit can take.
    if git(here, *DIFF, "--cached", "--name-only"):
        # In a file: arguments of a process are for everybody to read. As it is: a
        # configuration may take lines with a `#` out of it.
        with NamedTemporaryFile("w", encoding="utf-8") as file:
            file.write(message)
            file.flush()
            whole = ("--no-verify", "--cleanup=verbatim", "-F", file.name)
            git(here, "commit", "--quiet", *whole)


def release(repository: Repository) -> None:
    """Let go of the branch, so that the user can check it out; the files stay."""
    if repository.branch is not None:
        git(repository.path, "checkout", "--quiet", "--detach")


def take(repository: Repository) -> None:
    """Go back to the branch, to go on with a run."""
    if repository.branch is not None:
        git(repository.path, "checkout", "--quiet", repository.branch)


def loses(repository: Repository, target: Path) -> bool:
    """Whether a file is where no commit of the repository can hold it."""
    top = repository.path.resolve()
    return any(target.is_relative_to(top / one) for one in repository.submodules)


def held(repository: Repository, target: Path) -> bool:
    """Whether the commit that the run began with holds a file."""
    name = target.relative_to(repository.path.resolve()).as_posix()
    return bool(git(repository.path, "ls-tree", str(repository.base), "--", name))


def is_dirty(source: Path) -> bool:
    """Whether a repository has changes that no commit holds: the crew will not see
    them."""
    top = top_level(source.resolve())
    if top is None:
        return False
    # Unchecked: a bare repository has no status.
    return bool(git(top, "status", "--porcelain", "-unormal", *_OWN, check=False))


def top_level(source: Path) -> Path | None:
    """The top of the git repository that `source` belongs to; None where that has no
    commit, or does not know `source`.

    Raises WorkspaceError for a broken repository, and for the inside of one.
    """
    reported = git(source, "rev-parse", *_FACTS, check=(source / ".git").exists())
    if not reported:
        return None
    bare, inside, git_dir = reported.removesuffix("\n").split("\n", 2)
    top = source
    if bare == "true":
        # A bare repository, or a directory whose `.git` names one.
        inside = str(git_dir != str(source) and not (source / ".git").exists()).lower()
    if inside == "true":
        raise WorkspaceError(f"{source} is the inside of a git repository")
    if bare == "false":
        top = Path(git(source, "rev-parse", "--show-toplevel").removesuffix("\n"))
    if not git(top, "rev-parse", "--verify", "--quiet", "HEAD^{commit}", check=False):
        return None
    if not source.is_relative_to(top):
        raise WorkspaceError(f"{source}: its git configuration leads to {top}")
    part = source.relative_to(top).as_posix()
    if part != "." and not git(top, "ls-tree", "HEAD", "--", part):
        return None
    return top


def _secrets(directory: Path) -> tuple[str, ...]:
    names = git(directory, "ls-files", "-z").split("\0")
    return tuple(shown(name) for name in names if is_secret(PurePosixPath(name)))


def _filters(directory: Path) -> tuple[str, ...]:
    search = ("grep", "-h", "-o", "-E", "filter=[^ ]+")
    found = git(directory, *search, "--", ":(glob)**/.gitattributes", check=False)
    names = (line.partition("=")[2] for line in found.splitlines())
    return tuple(dict.fromkeys(shown(name) for name in names))


def _new_branch(top: Path, run: str, base: str) -> str:
    """Make the branch of a run, under the first name that is free."""
    refs = git(top, "for-each-ref", "--format=%(refname:short)", "refs/heads")
    taken = set(refs.splitlines())
    # A branch named `crew` leaves no room for `crew/...`.
    stem = f"crew-{run}" if "crew" in taken else f"crew/{run}"
    branch, count = stem, 1
    while branch in taken:
        count += 1
        branch = f"{stem}-{count}"
    git(top, "branch", "--no-track", branch, base)
    return branch


def _copy(source: Path, directory: Path, own: Set[Path]) -> tuple[str, ...]:
    """Copy what is no secret; returns what was left out as one."""
    size = 0
    secrets: list[str] = []
    own = own | {directory.parent.resolve()}

    def ignore(where: str, names: Sequence[str]) -> set[str]:
        nonlocal size
        left_out = set(SKIPPED & set(names))
        for name in sorted(set(names) - left_out):
            path = Path(where) / name
            if _looks_secret(path, source):
                left_out.add(name)
                secrets.append(shown(str(path.relative_to(source))))
            elif path.is_symlink() and not _leads_inside(path, source):
                left_out.add(name)
            elif path.is_file():
                size += path.stat().st_size
            elif not path.is_dir() or path.resolve() in own:
                left_out.add(name)
        if size > COPY_BYTES:
            raise WorkspaceError(
                f"{source} is no git repository and larger than "
                f"{COPY_BYTES // 2**20} MB: too large to copy"
            )
        return left_out

    try:
        shutil.copytree(source, directory, symlinks=True, ignore=ignore)
    except OSError as exc:
        raise WorkspaceError(f"{source} cannot be copied: {exc}") from exc
    return tuple(secrets)


def _looks_secret(path: Path, source: Path) -> bool:
    if is_secret(path.relative_to(source)):
        return True
    if path.is_symlink() or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return is_private_key(file.read(_HEAD_BYTES))
    except OSError:  # copying it will say so
        return False


def _leads_inside(link: Path, directory: Path) -> bool:
    try:
        return link.resolve().is_relative_to(directory)
    except (OSError, RuntimeError):  # a loop of symbolic links
        return False
