"""Tools that find a place in the code."""

from pydantic import BaseModel, Field

from crew.tools.place import meant
from crew.tools.workspace_tool import WorkspaceTool
from crew.workspace.mapping import MOST_TOKENS, TOKENS, map_of


class _Pattern(BaseModel):
    pattern: str = Field(
        description="A regular expression, without look-around or back-references."
    )
    directory: str = Field(".", description="Where to search.")


class _Map(BaseModel):
    directory: str = Field(".", description="A directory, relative to the workspace.")
    tokens: int = Field(TOKENS, description="How long the map may be, in tokens.")


class RepoMap(WorkspaceTool):
    """The files and their definitions, the most used ones first, within a budget."""

    name: str = "repo_map"
    description: str = (
        "An overview of the code: files with their classes and functions, each with "
        "its line, those first that other files use most."
    )
    args_schema: type[BaseModel] = _Map

    def answer(self, directory: str = ".", tokens: int = TOKENS) -> str:
        place = meant(self._workspace, directory)
        drawn = map_of(self._workspace, place, min(max(tokens, 100), MOST_TOKENS))
        return drawn or "there are no files"


class SearchFiles(WorkspaceTool):
    """Lines that match a regular expression."""

    name: str = "search_files"
    description: str = (
        "Find lines that match a regular expression, in all files that git does not "
        "ignore."
    )
    args_schema: type[BaseModel] = _Pattern

    def answer(self, pattern: str, directory: str = ".") -> str:
        found = self._workspace.search(pattern, meant(self._workspace, directory))
        return "\n".join(found) or "nothing matches"
