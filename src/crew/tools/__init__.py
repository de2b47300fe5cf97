"""What roles may do: the tools on the workspace, and delegation for the manager."""

from crew.tools.building import TOOL_NAMES, build_tools, works_on_files
from crew.tools.workspace_tools import LISTED

__all__ = ["LISTED", "TOOL_NAMES", "build_tools", "works_on_files"]
