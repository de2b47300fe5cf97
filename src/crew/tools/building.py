"""The tools of a role, by their names in agents.yaml."""

from collections.abc import Sequence

from crewai.llms.base_llm import BaseLLM
from crewai.tools import BaseTool

import crew.tools.workspace_tools as workspace_tools
from crew.checks import Checks
from crew.images.fetch import fetch
from crew.tools.check_tools import CHECK_TOOL_NAMES, check_tool
from crew.tools.images import Fetch
from crew.workspace import Workspace

TOOL_NAMES = (*workspace_tools.TOOL_NAMES, *CHECK_TOOL_NAMES)


def build_tools(
    names: Sequence[str],
    workspace: Workspace,
    llm: BaseLLM,
    fetch: Fetch = fetch,
    *,
    checks: Checks | None = None,
    commands: Sequence[str] = (),
) -> list[BaseTool]:
    """The tools of a role; `llm` is what looks at images, `fetch` gets those that have
    an address, `checks` runs what runs, and `commands` are the programs that the role
    may run."""
    plain = [name for name in names if name not in CHECK_TOOL_NAMES]
    made = workspace_tools.build_tools(plain, workspace, llm, fetch)
    found: dict[str, BaseTool] = dict(zip(plain, made, strict=True))
    for name in names:
        if name in CHECK_TOOL_NAMES:
            found[name] = check_tool(name, checks, commands)
    return [found[name] for name in names]


def works_on_files(names: Sequence[str]) -> bool:
    """Whether a role with these tools reads or writes files of a repository."""
    return workspace_tools.works_on_files(
        [name for name in names if name not in CHECK_TOOL_NAMES]
    )
