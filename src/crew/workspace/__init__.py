"""What the crew may touch: worktrees of the repositories, files, images."""

from crew.workspace.workspace import Workspace

__all__ = ["Workspace"]
