"""The place that a model means by a path.

Small models leave the repository's name out: `a.py` for `shop/a.py`.
"""

from contextlib import suppress
from pathlib import PurePosixPath

from crew.errors import WorkspaceError
from crew.workspace import Workspace


def meant(workspace: Workspace, path: str, *, new: bool = False) -> str:
    """The path as it is in the workspace: in its one repository where the name of that
    is left out. `new`: nothing need be there yet. Raises WorkspaceError for a path that
    leads out, or may mean more than one place."""
    target = workspace.resolve(path)
    if target.exists() or not workspace.names:
        return path
    given = PurePosixPath(path.strip())
    names = workspace.names
    inside = [f"{name}/{given}" for name in names if _is_there(workspace, name, given)]
    begins = given.parts[0] in {PurePosixPath(name).parts[0] for name in names}
    if inside and (begins or len(inside) > 1):
        # A repository `shop` with a directory `shop`, or a file in each of two.
        raise WorkspaceError(f"{path!r} is not there; it is {_either(inside)}")
    if inside:
        return inside[0]
    if begins or not new:
        return path
    if len(names) > 1:
        raise WorkspaceError(
            f"{path!r} is in no repository; begin with {_either(names)}"
        )
    return f"{names[0]}/{given}"


def said(path: str, place: str) -> str:
    """A line for the model, if it gave another path than the right one."""
    return "" if place == path else f"{path!r} is {place!r}; give paths like that\n"


def _is_there(workspace: Workspace, name: str, given: PurePosixPath) -> bool:
    with suppress(WorkspaceError, OSError):
        return workspace.resolve(f"{name}/{given}").exists()
    return False


def _either(places: "tuple[str, ...] | list[str]") -> str:
    return " or ".join(repr(place) for place in places)
