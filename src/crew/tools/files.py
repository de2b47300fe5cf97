"""Tools on whole files: list them, read their lines, create them."""

from contextlib import suppress

from pydantic import BaseModel, Field, PrivateAttr
from pydantic.json_schema import SkipJsonSchema

from crew.errors import WorkspaceError
from crew.tools.place import meant, said
from crew.tools.workspace_tool import WorkspaceTool

LISTED = 500
"""How many files are listed at once."""
WHOLE_BYTES = 16 * 1024
"""How long a file may be that a model which writes files as text replaces whole, though
its role has `edit_file`."""


class _Directory(BaseModel):
    directory: str = Field(".", description="A directory, relative to the workspace.")


class _File(BaseModel):
    path: str = Field(description="A file, relative to the workspace.")
    start_line: int = Field(1, description="The first line to read, from 1.")
    line_count: int = Field(400, description="How many lines to read.")


class _Content(BaseModel):
    path: str = Field(description="A file, relative to the workspace.")
    content: str = Field(description="The whole content of the file.")
    # Models that call tools do not know it: the file came as text.
    whole: SkipJsonSchema[bool] = False


class ListFiles(WorkspaceTool):
    """The files of a directory and below."""

    name: str = "list_files"
    description: str = "List the files in a directory and below."
    args_schema: type[BaseModel] = _Directory

    def answer(self, directory: str = ".") -> str:
        files = self._workspace.files(meant(self._workspace, directory))
        more = len(files) - LISTED
        tail = [f"... and {more} more; list a directory"] if more > 0 else []
        return "\n".join([*files[:LISTED], *tail]) or "there are no files"


class ReadFile(WorkspaceTool):
    """Lines of a text file, each with its number."""

    name: str = "read_file"
    description: str = (
        "Read a text file, or a part of it by lines. Each line has its number and a "
        "tab before it, which are not in the file."
    )
    args_schema: type[BaseModel] = _File

    def answer(self, path: str, start_line: int = 1, line_count: int = 400) -> str:
        place = meant(self._workspace, path)
        text = self._workspace.read(
            place, start_line=start_line, line_count=line_count, numbered=True
        )
        return said(path, place) + (text or "the file is empty, or shorter than that")


class WriteFile(WorkspaceTool):
    """Create a file; a role that can edit replaces only what the run created."""

    name: str = "write_file"
    description: str = "Create a text file, or replace its whole content."
    args_schema: type[BaseModel] = _Content
    _edits: bool = PrivateAttr(default=False)

    def beside_edits(self) -> "WriteFile":
        """The tool of a role that has `edit_file`, too."""
        self._edits = True
        self.description = (
            "Create a text file with its whole content. Files that are there are "
            "changed with edit_file."
        )
        return self

    def answer(self, path: str, content: str, whole: bool = False) -> str:
        place = meant(self._workspace, path, new=True)
        before = self._before(place)
        if before == content.encode(errors="surrogatepass"):
            # Small models write the same file again and again until they are stopped.
            return f"{place} held exactly this already. Do what is left, or answer."
        by_edits = self._edits and not (whole and len(before or b"") <= WHOLE_BYTES)
        if before and by_edits and self._workspace.is_given(place):
            raise WorkspaceError(
                f"{place!r} was there before: change it with edit_file, which takes "
                "only the lines that change; write_file is for new files"
            )
        size = self._workspace.write(place, content)
        return f"{said(path, place)}{place} is written ({size} bytes)"

    def _before(self, path: str) -> bytes | None:
        with suppress(WorkspaceError):
            return self._workspace.content(path)
        return None
