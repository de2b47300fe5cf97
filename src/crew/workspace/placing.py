"""Where repositories and images go in a workspace, and the names that they get."""

import shutil
from pathlib import Path

import crew.workspace.paths as paths
from crew.errors import WorkspaceError
from crew.settings.inputs import is_address


def unused(directory: Path, name: str) -> str:
    """A name that is not taken there, nor reserved for the images."""
    stem = name = "repository" if not name or paths.is_git(name) else name
    count = 1
    while (directory / name).exists() or name == "images":
        count += 1
        name = f"{stem}-{count}"
    return name


def placed(root: Path, image: str) -> str:
    """Put an image file into the workspace; returns the name it has there."""
    if is_address(image):
        return image
    directory = root / "images"
    directory.mkdir(exist_ok=True)
    name = unused(directory, Path(image).name)
    try:
        shutil.copyfile(image, directory / name)
    except OSError as exc:
        raise WorkspaceError(f"{image} cannot be copied: {exc.strerror}") from exc
    return f"images/{name}"
