"""Where a command runs: a repository's worktree, and what is mounted around it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crew.checks.surroundings import surroundings
from crew.errors import WorkspaceError
from crew.sandbox.job import HOME, Job, Place
from crew.sandbox.system import is_system
from crew.sandbox.toolchains import Toolchains, interpreter, lent
from crew.settings.checks import CheckSettings
from crew.workspace import Workspace
from crew.workspace.worktrees import Repository

_BINARIES = (".venv/bin", "venv/bin", "node_modules/.bin")


WORKSPACE = "workspace"
"""The name of a workspace without a repository, in `checks`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A directory in which commands run. `tree` is on this machine, `inside` is where
    the command sees it: in the place of the user's checkout `source`, since what is
    installed for that names its paths."""

    name: str
    tree: Path
    inside: Path
    repository: Repository | None = None

    @property
    def source(self) -> Path | None:
        """The user's checkout."""
        return self.repository.source if self.repository else None

    @property
    def guarded(self) -> list[Path]:
        """What nobody inside may write, relative to the tree."""
        submodules = self.repository.submodules if self.repository else ()
        return [Path(".git"), *map(Path, submodules)]

    @property
    def own_git(self) -> set[Path]:
        """The `.git` that belong there."""
        ours = {self.tree / one / ".git" for one in self.guarded}
        return {self.tree / ".git", *ours}


def grounds(workspace: Workspace) -> tuple[Ground, ...]:
    """The repositories of a run; the workspace itself where there is none, which the
    checks call `workspace`."""
    if not workspace.repositories:
        root = workspace.root.resolve()
        return (Ground(name=WORKSPACE, tree=root, inside=_inside(root, root.name)),)
    return tuple(
        Ground(
            name=one.path.name,
            tree=one.path.resolve(),
            inside=_inside(one.source, one.path.name),
            repository=one,
        )
        for one in workspace.repositories
    )


def job(
    ground: Ground,
    command: Sequence[str],
    settings: CheckSettings,
    tools: Toolchains,
    *,
    others: Sequence[Ground] = (),
    online: bool = False,
) -> Job:
    """A command there; the `others` can be read. Raises WorkspaceError for what is
    shared and cannot be."""
    shared = dict(_shared(ground, settings.share))
    places = list(_places(ground, shared, others))
    variables = {**surroundings(online=online)}
    if settings.image is None:
        interpreters = [
            one
            for source in shared.values()
            for one in interpreter(source, Path.home())
        ]
        places = [*tools.places, *lent(interpreters), *places]
        first = [str(ground.inside / one) for one in _BINARIES]
        variables |= {**tools.variables, "PATH": ":".join([*first, *tools.search])}
    return Job(
        command=tuple(command),
        directory=ground.inside,
        places=tuple(places),
        environment=variables,
        bounds=settings.bounds,
        network=online,
    )


def _places(
    ground: Ground, shared: Mapping[str, Path], others: Sequence[Ground]
) -> Iterator[Place]:
    """What is mounted of the run's own, and what is lent of the user's checkout."""
    for one in others:
        yield Place(outside=one.tree, inside=one.inside)
    yield Place(outside=ground.tree, inside=ground.inside, writable=True)
    for path in ground.guarded:
        if os.path.lexists(ground.tree / path):
            yield Place(outside=ground.tree / path, inside=ground.inside / path)
    for name, source in shared.items():
        yield Place(outside=source, inside=ground.inside / name)


def _shared(ground: Ground, names: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """What the user's checkout has of the directories that are lent."""
    for name in names if ground.source else ():
        source = Path(str(ground.source), name)
        if source.is_dir():
            for part in (Path(name), *Path(name).parents):
                if (ground.tree / part).is_symlink():
                    raise WorkspaceError(f"share: {part} is a symbolic link")
            yield name, source.resolve()


def _inside(wanted: Path, name: str) -> Path:
    """Where a tree is mounted: at its own path, unless that hides something."""
    home = Path.home()
    hides = any(one.is_relative_to(wanted) for one in (home, HOME)) or is_system(wanted)
    return Path("/repository", name) if hides else wanted
