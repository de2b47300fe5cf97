"""Tools on the workspace: list, read, search and write files, look at an image.

Not `crewai-tools`: its import takes two seconds, one environment variable turns its
path checks off, and it lets a model write a worktree's `.git` file.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from crewai.llms.base_llm import BaseLLM
from crewai.tools import BaseTool
from pydantic import BaseModel, Field, PrivateAttr

from crew.errors import WorkspaceError
from crew.images.fetch import NotFetched, fetch
from crew.images.image import IMAGE_BYTES, NotAnImage, data_url
from crew.settings.values import is_address
from crew.workspace import Workspace

Fetch = Callable[[str], bytes]
"""What is at an address, such as `crew.images.fetch.fetch`. Raises NotFetched."""

LISTED = 500
"""How many files are listed at once."""


class _Directory(BaseModel):
    directory: str = Field(".", description="A directory, relative to the workspace.")


class _File(BaseModel):
    path: str = Field(description="A file, relative to the workspace.")
    start_line: int = Field(1, description="The first line to read, from 1.")
    line_count: int = Field(400, description="How many lines to read.")


class _Pattern(BaseModel):
    pattern: str = Field(description="A regular expression.")
    directory: str = Field(".", description="Where to search.")


class _Content(BaseModel):
    path: str = Field(description="A file, relative to the workspace.")
    content: str = Field(description="The whole new content of the file.")


class _Question(BaseModel):
    image: str = Field(description="An image, by its path or address as given to you.")
    question: str = Field(description="What you want to know about it.")


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

    def _check_place(self, path: str) -> None:
        """Small models leave the repository's name out, and write beside it. Raises
        WorkspaceError for a path that is not there, but is in a repository."""
        if self._is_there(path):
            return
        for name in self._workspace.names:
            if self._is_there(meant := f"{name}/{path}"):
                raise WorkspaceError(f"{path!r} is not there; it is {meant!r}")

    def _is_there(self, path: str) -> bool:
        with suppress(WorkspaceError, OSError):
            return self._workspace.resolve(path).exists()
        return False

    def answer(self, *args: Any, **kwargs: Any) -> str:
        """The result for the model. Raises WorkspaceError, NotAnImage, NotFetched."""
        raise NotImplementedError


class ListFiles(WorkspaceTool):
    """The files of a directory and below."""

    name: str = "list_files"
    description: str = "List the files in a directory and below."
    args_schema: type[BaseModel] = _Directory

    def answer(self, directory: str = ".") -> str:
        files = self._workspace.files(directory)
        more = len(files) - LISTED
        tail = [f"... and {more} more; list a directory"] if more > 0 else []
        return "\n".join([*files[:LISTED], *tail]) or "there are no files"


class ReadFile(WorkspaceTool):
    """Lines of a text file."""

    name: str = "read_file"
    description: str = "Read a text file, or a part of it by lines."
    args_schema: type[BaseModel] = _File

    def answer(self, path: str, start_line: int = 1, line_count: int = 400) -> str:
        self._check_place(path)
        text = self._workspace.read(path, start_line=start_line, line_count=line_count)
        return text or "the file is empty, or shorter than that"


class SearchFiles(WorkspaceTool):
    """Lines that match a regular expression."""

    name: str = "search_files"
    description: str = "Find lines that match a regular expression, in all files."
    args_schema: type[BaseModel] = _Pattern

    def answer(self, pattern: str, directory: str = ".") -> str:
        found = self._workspace.search(pattern, directory)
        return "\n".join(found) or "nothing matches"


class WriteFile(WorkspaceTool):
    """Create a file, or replace its content."""

    name: str = "write_file"
    description: str = "Create a text file, or replace its whole content."
    args_schema: type[BaseModel] = _Content

    def answer(self, path: str, content: str) -> str:
        self._check_place(path)
        before = self._before(path)
        size = self._workspace.write(path, content)
        if before == content.encode():
            # Small models write the same file again and again until they are stopped.
            return f"{path} held exactly this already. Do what is left, or answer."
        return f"{path} is written ({size} bytes)"

    def _before(self, path: str) -> bytes | None:
        with suppress(WorkspaceError):
            return self._workspace.content(path)
        return None


class LookAtImage(WorkspaceTool):
    """A question about an image, to a model that can see.

    Only images of the workspace, and addresses that the user gave; what is there is
    fetched once.
    """

    name: str = "look_at_image"
    description: str = "Ask a question about an image file or an image address."
    args_schema: type[BaseModel] = _Question
    _llm: BaseLLM = PrivateAttr()
    _fetch: Fetch = PrivateAttr()
    _fetched: dict[str, str] = PrivateAttr(default_factory=dict)

    def answer(self, image: str, question: str) -> str:
        try:
            question.encode("utf-8")
        except UnicodeEncodeError:
            raise WorkspaceError("the question is not Unicode") from None
        content = [
            {"type": "text", "text": question},
            {"type": "image_url", "image_url": {"url": self._data_url(image)}},
        ]
        message: Any = {"role": "user", "content": content}
        return str(self._llm.call([message]))

    def _data_url(self, image: str) -> str:
        if not (is_address(image) or "://" in image):
            return data_url(self._workspace.content(image, limit=IMAGE_BYTES + 1))
        if image not in self._workspace.images:
            raise WorkspaceError(f"{image!r} is none of the given images")
        if image not in self._fetched:
            try:
                self._fetched[image] = data_url(self._fetch(image))
            except (NotFetched, NotAnImage) as exc:
                raise NotFetched(f"{image!r}: {exc}") from exc
        return self._fetched[image]


_TOOLS: dict[str, type[WorkspaceTool]] = {
    "list_files": ListFiles,
    "read_file": ReadFile,
    "search_files": SearchFiles,
    "write_file": WriteFile,
    "look_at_image": LookAtImage,
}
TOOL_NAMES = tuple(_TOOLS)


def build_tools(
    names: Sequence[str], workspace: Workspace, llm: BaseLLM, fetch: Fetch = fetch
) -> list[BaseTool]:
    """The tools of a role; `llm` is what looks at images, `fetch` gets those that have
    an address."""
    tools: list[BaseTool] = []
    for name in names:
        tool = _TOOLS[name].on(workspace)
        if isinstance(tool, LookAtImage):
            tool._llm = llm
            tool._fetch = fetch
        tools.append(tool)
    return tools
