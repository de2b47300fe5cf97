"""What all tools on the workspace have in common."""

from collections.abc import Callable
from typing import Any

from crewai.tools import BaseTool
from pydantic import PrivateAttr

from crew.errors import WorkspaceError
from crew.images.fetch import NotFetched
from crew.images.image import NotAnImage
from crew.workspace import Workspace


def _never(*_: object) -> bool:
    """CrewAI would repeat a tool's earlier result; files change."""
    return False


class WorkspaceTool(BaseTool):
    """A tool on the workspace. What a model did wrong comes back to it as text."""

    cache_function: Callable[..., bool] = _never
    _workspace: Workspace = PrivateAttr()

    @classmethod
    def on(cls, workspace: Workspace) -> "WorkspaceTool":
        tool = cls()  # type: ignore[call-arg]  # each tool has its name and text
        tool._workspace = workspace
        return tool

    def _run(self, *args: Any, **kwargs: Any) -> str:
        try:
            return self.answer(*args, **kwargs)
        except (WorkspaceError, NotAnImage, NotFetched) as exc:
            return f"Error: {exc}"

    def answer(self, *args: Any, **kwargs: Any) -> str:
        """The result for the model. Raises WorkspaceError, NotAnImage, NotFetched."""
        raise NotImplementedError
