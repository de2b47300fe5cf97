"""The record of a workspace, beside it: what a run that goes on must know."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from crew.errors import WorkspaceError, file_problem
from crew.workspace.worktrees import Repository


def path_of(root: Path) -> Path:
    """Where the record of a workspace is."""
    return root.with_suffix(".json")


def remember(
    root: Path, repositories: Sequence[Repository], images: Sequence[str]
) -> None:
    """Write the record. Raises WorkspaceError."""
    known = {
        "repositories": [
            {
                name: str(value) if isinstance(value, Path) else value
                for name, value in asdict(repository).items()
            }
            for repository in repositories
        ],
        "images": images,
    }
    record = path_of(root)
    try:
        record.write_text(json.dumps(known, indent=2), encoding="utf-8")
    except OSError as exc:
        what = file_problem(exc)
        raise WorkspaceError(f"{record} cannot be written: {what}") from exc


def recall(root: Path, run: str) -> tuple[tuple[Repository, ...], tuple[str, ...]]:
    """The repositories and images of a run's workspace. Raises WorkspaceError."""
    try:
        known = json.loads(path_of(root).read_text(encoding="utf-8"))
        repositories = tuple(
            Repository(
                name=entry["name"],
                source=Path(entry["source"]),
                path=Path(entry["path"]),
                branch=entry["branch"],
                base=entry["base"],
                submodules=tuple(entry["submodules"]),
                secrets=tuple(entry.get("secrets", ())),
                empty=tuple(entry.get("empty", ())),
                filters=tuple(entry.get("filters", ())),
                apart=bool(entry.get("apart")),
            )
            for entry in known["repositories"]
        )
        return repositories, tuple(known["images"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise WorkspaceError(f"the workspace of run {run} is gone: {exc}") from exc
