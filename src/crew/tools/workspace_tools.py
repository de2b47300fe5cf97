"""The tools by their names, and those of a role.

Not `crewai-tools`: its import takes two seconds, one environment variable turns its
path checks off, and it lets a model write a worktree's `.git` file.
"""

from collections.abc import Sequence

from crewai.llms.base_llm import BaseLLM
from crewai.tools import BaseTool

from crew.images.fetch import fetch
from crew.tools.editing import EditFile
from crew.tools.files import LISTED, ListFiles, ReadFile, WriteFile
from crew.tools.images import Fetch, LookAtImage
from crew.tools.searching import RepoMap, SearchFiles
from crew.tools.workspace_tool import WorkspaceTool
from crew.workspace import Workspace

__all__ = ["LISTED", "TOOL_NAMES", "build_tools", "works_on_files"]

_TOOLS: dict[str, type[WorkspaceTool]] = {
    "list_files": ListFiles,
    "repo_map": RepoMap,
    "read_file": ReadFile,
    "search_files": SearchFiles,
    "edit_file": EditFile,
    "write_file": WriteFile,
    "look_at_image": LookAtImage,
}
TOOL_NAMES = tuple(_TOOLS)


def works_on_files(names: Sequence[str]) -> bool:
    """Whether a role with these tools reads or writes files of a repository."""
    return any(name != "look_at_image" for name in names)


def build_tools(
    names: Sequence[str], workspace: Workspace, llm: BaseLLM, fetch: Fetch = fetch
) -> list[BaseTool]:
    """The tools of a role; `llm` is what looks at images, `fetch` gets those that have
    an address."""
    tools: list[BaseTool] = []
    for name in names:
        match _TOOLS[name].on(workspace):
            case LookAtImage() as tool:
                tools.append(tool.with_sight(llm, fetch))
            case WriteFile() as tool if "edit_file" in names:
                tools.append(tool.beside_edits())
            case tool:
                tools.append(tool)
    return tools
