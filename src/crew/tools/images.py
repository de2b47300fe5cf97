"""The tool that looks at an image."""

from collections.abc import Callable
from typing import Any

from crewai.llms.base_llm import BaseLLM
from pydantic import BaseModel, Field, PrivateAttr

from crew.errors import WorkspaceError
from crew.images.fetch import NotFetched
from crew.images.image import IMAGE_BYTES, NotAnImage, data_url
from crew.settings.inputs import is_address
from crew.tools.place import meant
from crew.tools.workspace_tool import WorkspaceTool

Fetch = Callable[[str], bytes]
"""What is at an address, such as `crew.images.fetch.fetch`. Raises NotFetched."""


class _Question(BaseModel):
    image: str = Field(description="An image, by its path or address as given to you.")
    question: str = Field(description="What you want to know about it.")


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

    def with_sight(self, llm: BaseLLM, fetch: Fetch) -> "LookAtImage":
        """The tool, with the model that sees and with what gets an address."""
        self._llm, self._fetch = llm, fetch
        return self

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
            place = meant(self._workspace, image)
            return data_url(self._workspace.content(place, limit=IMAGE_BYTES + 1))
        if image not in self._workspace.images:
            raise WorkspaceError(f"{image!r} is none of the given images")
        if image not in self._fetched:
            try:
                self._fetched[image] = data_url(self._fetch(image))
            except (NotFetched, NotAnImage) as exc:
                raise NotFetched(f"{image!r}: {exc}") from exc
        return self._fetched[image]
