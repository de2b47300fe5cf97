"""The repository that a run works on where nobody names one: the current one."""

from dataclasses import replace
from pathlib import Path

from crew.errors import WorkspaceError
from crew.settings import Inputs, Settings
from crew.settings.directories import is_defaults
from crew.settings.placeholders import names
from crew.workspace.git import git
from crew.workspace.worktrees import top_level


def with_current(settings: Settings, inputs: Inputs) -> tuple[Inputs, list[str]]:
    """The inputs with the git repository of the working directory, and a line that
    says so; as they are where a repository is named, or none is wanted.

    A crew whose texts ask for no `{repositories}` has no use for one, and a line says
    so where its roles have tools; and this project's own clone is worked on only when
    it is named. Raises WorkspaceError.
    """
    if not inputs.here or inputs.repositories:
        return replace(inputs, here=False), []
    here = Path.cwd()
    if not _asks(settings):
        return replace(inputs, here=False), _unasked(settings, here)
    try:
        where = here if top_level(here) else _root(here)
        top = top_level(where) if where is not None else None
    except WorkspaceError as exc:
        advice = "name one with --repo, or none with --no-repo"
        raise WorkspaceError(f"the current repository: {exc}; {advice}") from exc
    if where is None or (top is not None and _is_ours(settings, top)):
        return replace(inputs, here=False), []
    if top is None:
        line = f"{where} has no commit: the workspace is empty (--repo {where}: a copy)"
        return replace(inputs, here=False), [line]
    line = f"works on the current repository, {top} (--repo PATH: another, --no-repo)"
    return replace(inputs, here=False, repositories=(str(where),)), [line]


def _root(here: Path) -> Path | None:
    """The root of the repository around a directory that no commit knows yet; None
    where git ignores it."""
    levels = (here, *here.parents)
    root = next((one for one in levels if (one / ".git").exists()), None)
    if root is None or git(root, "check-ignore", "--", str(here), check=False):
        return None
    return root


def _unasked(settings: Settings, here: Path) -> list[str]:
    if _root(here) is None or not any(role.tools for role in settings.roles.values()):
        return []
    return [
        "the workspace is empty: no text of agents.yaml or tasks.yaml has "
        "{repositories} (--repo PATH: work on a repository)"
    ]


def _asks(settings: Settings) -> bool:
    texts = [
        text
        for task in settings.tasks.values()
        for text in (task.description, task.expected_output)
    ]
    texts += [
        text
        for role in settings.roles.values()
        for text in (role.role, role.goal, role.backstory)
    ]
    return any("repositories" in names(text) for text in texts)


def _is_ours(settings: Settings, top: Path) -> bool:
    """Whether it is the clone of this project that runs here."""
    config = settings.config_dir
    return is_defaults(config) and config.resolve().is_relative_to(top.resolve())
