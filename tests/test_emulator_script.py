"""The scripted model drives a crew: one delegation, each tool once, then the end."""

import ast
import json
from typing import Any

import pytest

from crew.emulator.protocols.openai import parse_conversation
from crew.emulator.script import Answer, answer
from test_emulator_kit import picture

SYSTEM = "You are Software engineer. You like small files.\nYour personal goal is: x"
PROMPT = (
    "\nCurrent Task: Add pagination to shop, see https://example.org/api.\n\n"
    "This is the expected criteria for your final answer: A list of changes.\n"
    "you MUST return the actual complete content as the final answer, not a summary."
    "\n\nThis is the context you're working with:\nThe design is in /tmp/x y/design.md"
)
WORKER_TOOLS = (
    "ask_question_to_coworker",
    "look_at_image",
    "write_file",
    "search_files",
    "read_file",
    "list_files",
    "comment_on_issue",
)


def tool(name: str, description: str = "") -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": {}},
    }


def delegation(coworkers: str) -> list[dict[str, Any]]:
    text = (
        f"Delegate a specific task to one of the following coworkers: {coworkers}\n"
        "The input to this tool should be the coworker, the task you want them to do."
    )
    return [tool("delegate_work_to_coworker", text), tool("ask_question_to_coworker")]


class Talk:
    """A conversation with the scripted model, as an agent leads it."""

    def __init__(self, prompt: str, tools: list[dict[str, Any]] | None = None) -> None:
        self.messages: list[dict[str, Any]] = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": prompt},
        ]
        self.tools = tools

    def next(self, **more: object) -> Answer:
        body = {"model": "m", "messages": self.messages, "tools": self.tools, **more}
        return answer(parse_conversation(body))

    def run(self, results: dict[str, str]) -> tuple[list[tuple[str, Any]], str]:
        """Call tools until the final text; what was called, and the text."""
        called = []
        for _ in range(20):
            said = self.next()
            if said.call is None:
                return called, said.text
            name, arguments = said.call.name, said.call.arguments
            called.append((name, json.loads(arguments)))
            function = {"name": name, "arguments": arguments}
            call = {"id": "1", "type": "function", "function": function}
            self.messages += [
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "1", "content": results[name]},
                {"role": "user", "content": "Analyze the tool result."},
            ]
        raise AssertionError("the model never came to an end")


def test_manager_delegates_once_and_carries_the_result_through() -> None:
    talk = Talk(PROMPT, delegation("Coder, Documenter"))
    result = "Done: I changed shop/orders.py and nothing else in the whole wide house."
    called, text = talk.run({"delegate_work_to_coworker": result})

    [(_, arguments)] = called
    assert arguments["coworker"] == "Coder"
    assert arguments["task"] == ("Add pagination to shop, see https://example.org/api.")
    assert "A list of changes." in arguments["context"]
    assert "The design is in /tmp/x y/design.md" in arguments["context"]
    assert result in text


def test_manager_asks_again_when_the_coworker_has_a_comma_in_the_name() -> None:
    talk = Talk(PROMPT, delegation("Writer, technical"))
    unknown = (
        "\nError executing tool. coworker mentioned not found, it must be one of the "
        "following options:\n- writer, technical\n"
    )
    called, _ = talk.run({"delegate_work_to_coworker": unknown})

    assert [c[1]["coworker"] for c in called] == ["Writer", "writer, technical"]


def test_manager_never_truncates_the_task() -> None:
    prompt = "Current Task: " + "word " * 5000 + "/last/path.py"
    called, _ = Talk(prompt, delegation("Coder")).run(
        {"delegate_work_to_coworker": "ok"}
    )

    assert called[0][1]["task"].endswith("/last/path.py")
    assert called[0][1]["context"].endswith("/last/path.py")


def test_worker_calls_each_tool_once_in_order() -> None:
    prompt = "Current Task: Rebuild mockups/start page.png, as in mockups/start.png."
    talk = Talk(prompt, [tool(name) for name in WORKER_TOOLS])
    called, text = talk.run(
        {
            "list_files": "shop/orders.py\nshop/README.md\nshop/logo.svg",
            "read_file": "# The shop sells things",
            "search_files": "shop/orders.py:1: def orders()",
            "write_file": "written",
            "look_at_image": "a button",
        }
    )

    assert [name for name, _ in called] == [
        "list_files",
        "read_file",
        "search_files",
        "write_file",
        "look_at_image",
    ]
    arguments = dict(called)
    assert arguments["list_files"] == {"directory": "."}
    assert arguments["read_file"] == {"path": "shop/README.md"}
    assert arguments["search_files"]["pattern"]
    assert arguments["write_file"]["path"] == "shop/rehearsal_note.py"
    ast.parse(arguments["write_file"]["content"])
    assert arguments["look_at_image"]["question"]
    assert "You are Software engineer." in text
    assert "# The shop sells things" in text


@pytest.mark.parametrize(
    ("listing", "path"),
    [
        ("- ./api/main.py\n- ./api/notes.txt", "api/main.py"),
        ('["web/index.ts", "web/Readme.rst"]', "web/Readme.rst"),
        ("docs/guide.md\ndocs/logo.png", "docs/guide.md"),
        ("a/big.bin", None),
        ("(empty)", None),
    ],
)
def test_worker_reads_a_file_that_was_listed(listing: str, path: str | None) -> None:
    talk = Talk("Look around.", [tool("list_files"), tool("read_file")])
    called, _ = talk.run({"list_files": listing, "read_file": "text"})

    assert [a["path"] for name, a in called if name == "read_file"] == (
        [path] if path else []
    )


def test_worker_writes_beside_the_workspace_without_a_repository() -> None:
    called, text = Talk("Write.", [tool("write_file")]).run({"write_file": "ok"})

    assert called[0][1]["path"] == "rehearsal_note.py"
    assert "```python" in text


@pytest.mark.parametrize(
    ("prompt", "image"),
    [
        ("Look at shots/a.JPG, please.", "shots/a.JPG"),
        ("Images: https://example.org/a.webp?x=1", "https://example.org/a.webp?x=1"),
        ("Images: images/start page.png, images/b.png", "images/start page.png"),
        ("The images are (https://example.org/seven).", "https://example.org/seven"),
        ("Images: none", None),
        ("Images:\nhttps://example.org/picture/7", "https://example.org/picture/7"),
        ("Read https://example.org/docs first.", None),
        ("No picture here.", None),
    ],
)
def test_image_is_looked_at_only_when_named(prompt: str, image: str | None) -> None:
    called, _ = Talk(prompt, [tool("look_at_image")]).run({"look_at_image": "x"})

    assert [arguments["image"] for _, arguments in called] == ([image] if image else [])


def test_worker_writes_into_a_repository_not_among_the_images() -> None:
    talk = Talk("Write.", [tool("list_files"), tool("write_file")])
    listing = "images/a.png\nmy shop/logo.gif\nmy shop/main.py"
    called, _ = talk.run({"list_files": listing, "write_file": "ok"})

    assert dict(called)["write_file"]["path"] == "my shop/rehearsal_note.py"


def test_who_wants_json_gets_json() -> None:
    text = Talk("Current Task: list the routes as JSON.").next().text
    block = text.partition("```json\n")[2].partition("```")[0]

    assert json.loads(block)


def test_other_tools_are_never_called() -> None:
    called, text = Talk("Comment.", [tool("comment_on_issue")]).run({})

    assert called == []
    assert text


def test_same_conversation_has_the_same_answer() -> None:
    tools = [tool(name) for name in WORKER_TOOLS]

    assert Talk(PROMPT, tools).next() == Talk(PROMPT, tools).next()


def test_summarised_conversation_is_brought_to_an_end() -> None:
    summary = "<summary/> The above is a structured summary of prior context"
    said = Talk(summary, [tool("list_files")]).next()

    assert said.call is None


def test_react_prompt_gets_a_final_answer_in_its_form() -> None:
    form = "Thought: I now can give a great answer\nFinal Answer: my best answer"
    said = Talk(f"Current Task: x. Use the EXACT format below:\n{form}").next()

    assert said.text.startswith(
        "Thought: I now can give a great answer\nFinal Answer: A rehearsed answer."
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_images_are_described(kind: str) -> None:
    talk = Talk("x")
    part = {"type": "image_url", "image_url": {"url": picture(kind, (9, 7))}}
    talk.messages.append({"role": "user", "content": [part]})

    assert f"a {kind} image of 9x7 pixels" in talk.next().text


@pytest.mark.parametrize("url", ["data:image/png;base64,AAAA", "data:image/png,#"])
def test_unreadable_image_is_said_to_be_so(url: str) -> None:
    talk = Talk("x")
    part = {"type": "image_url", "image_url": {"url": url}}
    talk.messages.append({"role": "user", "content": [part]})

    assert "cannot be read" in talk.next().text


def test_tools_come_before_a_structured_answer() -> None:
    form = {"type": "json_object"}
    first = Talk("x", [tool("list_files")]).next(response_format=form)
    last = Talk("x").next(response_format=form)

    assert first.call is not None
    assert json.loads(last.text)["answer"]


def test_tool_call_is_cut_by_max_tokens() -> None:
    said = Talk("x", [tool("write_file")]).next(max_tokens=5)

    assert said.finish == "length"
    assert said.output_tokens == 5
