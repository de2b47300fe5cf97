"""The tools: what a model gets back, as text, whatever it asks for."""

import base64
import io
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from crewai.llms.base_llm import BaseLLM
from crewai.tools import BaseTool
from PIL import Image
from pydantic import PrivateAttr

from crew.images.fetch import NotFetched
from crew.settings import TOOLS, Inputs
from crew.tools import LISTED, TOOL_NAMES, build_tools
from crew.workspace import Workspace


class Seeing(BaseLLM):
    """Records what it is asked."""

    _asked: list[Any] = PrivateAttr(default_factory=list)

    def call(self, messages: Any, *args: Any, **kwargs: Any) -> str:
        self._asked.append(messages)
        return "a red square"

    @property
    def asked(self) -> list[Any]:
        return self._asked


GIVEN = "https://example.org/mockup.png"


@dataclass
class Web:
    """What there is on the web, and what was asked for."""

    content: bytes = b""
    asked: list[str] = field(default_factory=list)

    def fetch(self, address: str) -> bytes:
        self.asked.append(address)
        if not self.content:
            raise NotFetched("the server answered with status 404")
        return self.content


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    Image.new("RGB", (8, 8), "red").save(tmp_path / "secret.png")
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    inputs = Inputs(request="work", images=(str(tmp_path / "red.png"), GIVEN))
    made = Workspace.prepare(tmp_path / "run", "r1", inputs)
    (made.root / "link").symlink_to(tmp_path)
    return made


@pytest.fixture
def seeing() -> Seeing:
    return Seeing(model="seeing")


@pytest.fixture
def web() -> Web:
    return Web()


@pytest.fixture
def tools(workspace: Workspace, seeing: Seeing, web: Web) -> dict[str, BaseTool]:
    built = build_tools(TOOL_NAMES, workspace, seeing, web.fetch)
    return {tool.name: tool for tool in built}


def test_the_settings_know_the_same_tools() -> None:
    assert TOOL_NAMES == TOOLS


def test_a_role_gets_the_tools_it_names(workspace: Workspace, seeing: Seeing) -> None:
    built = build_tools(["read_file", "list_files"], workspace, seeing)

    assert [tool.name for tool in built] == ["read_file", "list_files"]


PATHS = [
    "../secret.txt",
    "/etc/passwd",
    "link/secret.txt",
    ".git/config",
    "shop/.GIT/config",
    ".git\\config",
    "a\0b",
    "a\ud800b",
    "x" * 300,
    "x" * 3_000,
    "images",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_is_out_of_bounds_is_told_as_an_error(
    tools: dict[str, BaseTool], seeing: Seeing, tmp_path: Path, path: str
) -> None:
    answers = [
        tools["read_file"].run(path=path),
        tools["write_file"].run(path=path, content="mine"),
        tools["look_at_image"].run(image=path, question="What is it?"),
    ]
    if path != "images":
        answers.append(tools["list_files"].run(directory=path))
        answers.append(tools["search_files"].run(pattern="secret", directory=path))

    for answer in answers:
        assert answer.startswith("Error: ")
        assert str(tmp_path) not in answer
        answer.encode("utf-8")
    assert seeing.asked == []
    assert (tmp_path / "secret.txt").read_text(encoding="utf-8") == "secret"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("read_file", {"path": "none.txt"}),
        ("read_file", {"path": "images/red.png"}),
        ("read_file", {"path": "pipe"}),
        ("list_files", {"directory": "none"}),
        ("search_files", {"pattern": "("}),
        ("search_files", {"pattern": "(" * 490 + ")" * 490}),
        ("search_files", {"pattern": "(?:a{60000}){60000}"}),
        ("search_files", {"pattern": "x" * 2_000_000}),
        ("write_file", {"path": "a.txt", "content": "\ud800"}),
        ("write_file", {"path": "a.txt", "content": "x" * 2_000_000}),
        ("write_file", {"path": "pipe", "content": "x"}),
        ("look_at_image", {"image": "none.png", "question": "?"}),
        ("look_at_image", {"image": "text.txt", "question": "?"}),
        ("look_at_image", {"image": "pipe", "question": "?"}),
        ("look_at_image", {"image": "images/red.png", "question": "\ud800"}),
        ("look_at_image", {"image": "../secret.png", "question": "?"}),
        ("look_at_image", {"image": "link/secret.png", "question": "?"}),
        ("look_at_image", {"image": "https://example.org/b.png", "question": "?"}),
        ("look_at_image", {"image": "HTTPS://example.org/x", "question": "?"}),
        ("look_at_image", {"image": GIVEN + "?leak=1", "question": "?"}),
        ("look_at_image", {"image": "http://169.254.169.254/", "question": "?"}),
        ("look_at_image", {"image": "file:///etc/passwd", "question": "?"}),
        ("look_at_image", {"image": "http://[", "question": "?"}),
        ("look_at_image", {"image": "data:image/png;base64,AAAA", "question": "?"}),
    ],
    ids=range(24),
)
def test_what_a_model_did_wrong_comes_back_as_text(
    tools: dict[str, BaseTool],
    workspace: Workspace,
    seeing: Seeing,
    tool: str,
    arguments: dict[str, str],
) -> None:
    os.mkfifo(workspace.root / "pipe")
    (workspace.root / "text.txt").write_text("text", encoding="utf-8")

    answer = tools[tool].run(**arguments)

    assert answer.startswith("Error: ")
    assert len(answer) < 2_000
    assert seeing.asked == []


def test_what_is_written_is_listed_read_and_found(tools: dict[str, BaseTool]) -> None:
    wrote = tools["write_file"].run(path="src/a.py", content="x = 1\ny = 2\n")

    assert wrote == "src/a.py is written (12 bytes)"
    assert tools["list_files"].run() == "images/red.png\nsrc/a.py"
    assert tools["read_file"].run(path="src/a.py", start_line=2) == "2\ty = 2\n"
    assert tools["search_files"].run(pattern=r"^y") == "src/a.py:2: y = 2"


def test_a_second_look_sees_the_change(tools: dict[str, BaseTool]) -> None:
    tools["write_file"].run(path="a.txt", content="first")
    tools["read_file"].run(path="a.txt")
    tools["write_file"].run(path="a.txt", content="second")

    assert tools["read_file"].run(path="a.txt") == "1\tsecond"
    assert not tools["read_file"].cache_function({"path": "a.txt"}, "first")


def test_nothing_is_said_in_words(tools: dict[str, BaseTool]) -> None:
    tools["write_file"].run(path="empty/a.txt", content="")

    assert "empty" in tools["read_file"].run(path="empty/a.txt")
    assert tools["search_files"].run(pattern="nowhere") == "nothing matches"


def test_a_long_list_is_cut_and_says_so(
    tools: dict[str, BaseTool], workspace: Workspace
) -> None:
    (workspace.root / "many").mkdir()
    for number in range(LISTED + 7):
        (workspace.root / f"many/{number:04}").touch()

    lines = tools["list_files"].run(directory="many").splitlines()

    assert len(lines) == LISTED + 1
    assert lines[-1] == "... and 7 more; list a directory"


def test_an_image_is_sent_as_content_blocks_with_a_data_url(
    tools: dict[str, BaseTool], seeing: Seeing
) -> None:
    answer = tools["look_at_image"].run(image="images/red.png", question="What is it?")

    [[message]] = seeing.asked
    text, image = message["content"]
    assert answer == "a red square"
    assert message["role"] == "user"
    assert text == {"type": "text", "text": "What is it?"}
    assert image["type"] == "image_url"
    head, _, data = image["image_url"]["url"].partition(",")
    assert head == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (8, 8)


def test_an_address_that_the_user_gave_is_fetched_once_and_sent_as_data(
    tools: dict[str, BaseTool], seeing: Seeing, web: Web, workspace: Workspace
) -> None:
    web.content = (workspace.root / "images" / "red.png").read_bytes()

    for question in ("What is it?", "Which colour?"):
        answer = tools["look_at_image"].run(image=GIVEN, question=question)
        assert answer == "a red square"

    urls = [asked[0]["content"][1]["image_url"]["url"] for asked in seeing.asked]
    data = base64.b64encode(web.content).decode("ascii")
    assert urls == [f"data:image/png;base64,{data}"] * 2
    assert web.asked == [GIVEN]


@pytest.mark.parametrize("content", [b"", b"<html>no image</html>"])
def test_an_address_without_an_image_is_told_as_an_error(
    tools: dict[str, BaseTool], seeing: Seeing, web: Web, content: bytes
) -> None:
    web.content = content

    answer = tools["look_at_image"].run(image=GIVEN, question="What is it?")

    assert answer.startswith(f"Error: '{GIVEN}': ")
    assert seeing.asked == []


def test_an_address_that_was_not_given_is_not_asked_for(
    tools: dict[str, BaseTool], web: Web
) -> None:
    tools["look_at_image"].run(image=f"{GIVEN}?leak=1", question="What is it?")

    assert web.asked == []


def test_by_itself_a_tool_asks_no_private_host(tmp_path: Path, seeing: Seeing) -> None:
    inside = "http://127.0.0.1:9/a.png"
    made = Workspace(root=tmp_path, images=(inside,))
    (tool,) = build_tools(["look_at_image"], made, seeing)

    answer = tool.run(image=inside, question="What is it?")

    assert "private or reserved" in answer
    assert seeing.asked == []
