"""Tool calls written as text: what is one, and what is never taken for one."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew.calls.text_tools import as_text
from crew.calls.written_calls import written_calls


def tool(name: str, required: tuple[str, ...], **types: object) -> dict[str, Any]:
    properties = {
        key: value if isinstance(value, dict) else {"type": value}
        for key, value in types.items()
    }
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


TOOLS = [
    tool("write_file", ("path", "content"), path="string", content="string"),
    tool(
        "read_file",
        ("path", "start_line"),
        path="string",
        start_line={"type": "integer", "default": 1},
    ),
    tool("list_files", (), directory="string"),
]
ARGUMENTS = {"path": "hello.py", "content": "print('hi')\n"}
CALL = json.dumps({"name": "write_file", "arguments": ARGUMENTS})
OTHER = json.dumps({"name": "read_file", "arguments": {"path": "a.py"}})
WRITTEN = {
    "bare": CALL,
    "with spaces": f"\n\n  {CALL} \n",
    "fenced": f"```json\n{CALL}\n```",
    "fenced without a language": f"```\n{CALL}\n```",
    "in lines": json.dumps(json.loads(CALL), indent=2),
    "tool and parameters": json.dumps({"tool": "write_file", "parameters": ARGUMENTS}),
    "function and args": json.dumps({"function": "write_file", "args": ARGUMENTS}),
    "OpenAI's form": json.dumps(
        {
            "id": "call_1",
            "type": "function",
            "function": {"name": "write_file", "arguments": json.dumps(ARGUMENTS)},
        }
    ),
    "a list": f"[{CALL}]",
    "tool_calls": f'{{"tool_calls": [{CALL}]}}',
    "Python's triple quotes": '```json\n{\n  "name": "write_file",\n'
    '  "arguments": {"path": "hello.py", "content": """print(\'hi\')\n"""}\n}\n```',
    "Python's quotes": str({"name": "write_file", "arguments": ARGUMENTS}),
    "without the last bracket": f"```json\n{CALL[:-1]}\n```",
    "without the last two": CALL[:-2],
    "raw line ends": CALL.replace("\\n", "\n"),
    "tags": f"<tool_call>\n{CALL}\n</tool_call>",
    "tags after words": f"I write it now.\n<tool_call>{CALL}</tool_call>",
    "a tag that stays open": f"<tool_call>\n{CALL}",
    "a fence in tags": f"<tool_call>\n```json\n{CALL}\n```\n</tool_call>",
    "Qwen's tools": f"<tools>\n{CALL}\n</tools>",
    "Llama's tag": f"<function=write_file>{json.dumps(ARGUMENTS)}</function>",
    "Mistral's mark": f"[TOOL_CALLS][{CALL}]",
    "ReAct": f"Thought: so.\nAction: write_file\nAction Input: {json.dumps(ARGUMENTS)}",
    "ReAct, fenced": "Action: write_file\nAction Input:\n"
    f"```json\n{json.dumps(ARGUMENTS)}\n```",
    "ReAct, bold": f"**Action:** write_file\n**Action Input:** {json.dumps(ARGUMENTS)}",
    "ReAct with a result made up": "Action: write_file\n"
    f"Action Input: {json.dumps(ARGUMENTS)}\nObservation: written\nFinal Answer: x",
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN.keys())
def test_what_is_exactly_a_call_is_taken(text: str) -> None:
    (call,) = written_calls(text, TOOLS)

    assert call.name == "write_file"
    assert json.loads(call.arguments) == ARGUMENTS


def test_an_object_for_a_text_is_written_as_json() -> None:
    given = {"path": "a.json", "content": {"port": 8080, "debug": False}}

    (call,) = written_calls(
        json.dumps({"name": "write_file", "arguments": given}), TOOLS
    )

    content = json.loads(call.arguments)["content"]
    assert json.loads(content) == given["content"]


def test_parameters_in_tags_are_arguments() -> None:
    text = (
        "<tool_call>\n<function=read_file>\n<parameter=path>\na.py\n</parameter>\n"
        "<parameter=start_line>\n3\n</parameter>\n</function>\n</tool_call>"
    )
    (call,) = written_calls(text, TOOLS)

    assert json.loads(call.arguments) == {"path": "a.py", "start_line": 3}


def test_a_file_with_fences_of_its_own_is_written() -> None:
    content = "# Use\n\n```python\nx = 1\n```\n"
    call = {"name": "write_file", "arguments": {"path": "a.md", "content": content}}
    for text in (json.dumps(call), f"```json\n{json.dumps(call)}\n```"):
        (found,) = written_calls(text, TOOLS)
        assert json.loads(found.arguments)["content"] == content


def test_several_calls_are_taken_in_their_order() -> None:
    for text in (
        f"{CALL}\n{OTHER}",
        f"```json\n{CALL}\n```\n```json\n{OTHER}\n```",
        f"<tool_call>{CALL}</tool_call>\n<tool_call>{OTHER}</tool_call>",
    ):
        found = [call.name for call in written_calls(text, TOOLS)]
        assert found == ["write_file", "read_file"]


TEXTS = {
    "a tool that was not offered": '{"name": "hello.py", "arguments": {"a": 1}}',
    "arguments that lack one": '{"name": "write_file", "arguments": {"path": "a"}}',
    "an argument too many": '{"name": "list_files", "arguments": {"depth": 2}}',
    "an argument of another type": '{"name": "list_files", "arguments": {"directory": '
    "1}}",
    "a truth value for a number": '{"name": "read_file", "arguments": {"path": "a", '
    '"start_line": true}}',
    "another key": '{"name": "list_files", "arguments": {}, "version": "1.0"}',
    "no arguments": '{"name": "list_files"}',
    "words before": f"For example:\n```json\n{CALL}\n```",
    "words behind": f"```json\n{CALL}\n```\nThat is how it is called.",
    "words behind tags": f"<tool_call>{CALL}</tool_call> is how it is called.",
    "tags in a code block": f"```\n<tool_call>{CALL}</tool_call>\n```",
    "a call in a sentence": f"The call {CALL} writes it.",
    "one call of two that fits": f"{CALL}\n" + '{"name": "rm", "arguments": {}}',
    "a call that was cut off": CALL[:-3],
    "ReAct with words behind": 'Action: list_files\nAction Input: {"directory": "."}\n'
    "Final Answer: done",
    "ReAct in a code block": '```\nAction: list_files\nAction Input: {"directory": "."}'
    "\n```",
    "a call with its string open": CALL[:-4],
    "a set in Python": "{'name': 'write_file', 'arguments': {1, 2}}",
    "a call in Python that computes": "{'name': 'list_files', 'arguments': dict()}",
    "a number": "7",
    "nothing": "",
    "brackets": "[" * 100_000,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_what_merely_contains_a_call_is_a_text(text: str) -> None:
    assert written_calls(text, TOOLS) == ()


def test_who_was_asked_to_write_calls_may_say_a_word_before() -> None:
    text = f"I will write the file:\n\n```json\n{CALL}\n```"

    assert len(written_calls(text, TOOLS, asked=True)) == 1
    assert written_calls(f"{text}\nDone.", TOOLS, asked=True) == ()


RESPONSE = "<tool_response>\nhello.py is written\n</tool_response>"
ASKED = {
    "words behind": f"{CALL}\n\nThis writes the file.",
    "words behind a fence": f"```json\n{CALL}\n```\nThis writes the file.",
    "a result made up": f"{CALL}\n{RESPONSE}\nIt is written.",
    "a fence and a result made up": f"I write.\n```json\n{CALL}\n```\n{RESPONSE}",
    "tags and a result made up": f"<tool_call>{CALL}</tool_call>\n{RESPONSE}",
    "a call as a result": f"The answer:\n<tool_response>\n{CALL}\n</tool_response>",
}


@pytest.mark.parametrize("text", ASKED.values(), ids=ASKED.keys())
def test_who_was_asked_to_write_calls_is_understood(text: str) -> None:
    (call,) = written_calls(text, TOOLS, asked=True)

    assert json.loads(call.arguments) == ARGUMENTS
    assert written_calls(text, TOOLS) == ()


@pytest.mark.parametrize(
    "text",
    [
        f"{CALL}\nor\n{OTHER}",
        f"Never answer:\n```\n{RESPONSE}\n```",
        f"It is done.\n{RESPONSE}",
        f"```\n<tool_response>{CALL}</tool_response>\n```",
        '{"port": 8080}\nThat is the file.',
    ],
    ids=["two", "a result quoted", "a result", "a call quoted", "a JSON file"],
)
def test_who_was_asked_to_write_calls_may_write_other_things(text: str) -> None:
    assert written_calls(text, TOOLS, asked=True) == ()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "arguments", "tool", "path", "content", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
words = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=30)


@given(json_values)
def test_json_that_is_no_call_of_an_offered_tool_is_a_text(value: object) -> None:
    for text in (json.dumps(value), f"```json\n{json.dumps(value)}\n```"):
        for call in written_calls(text, TOOLS):
            assert call.name in {"write_file", "read_file", "list_files"}
            assert isinstance(value, dict | list)


@given(words, st.sampled_from([CALL, f"```json\n{CALL}\n```", f"[{CALL}]"]), words)
def test_a_call_among_words_is_a_text(before: str, call: str, behind: str) -> None:
    assert written_calls(f"{before}\n{call}\n{behind}", TOOLS) == ()
    assert written_calls(f"{before}\n{call}", TOOLS) == ()
    assert written_calls(f"{call}\n{behind}", TOOLS) == ()


@given(st.text())
def test_any_text_is_read_without_a_failure(text: str) -> None:
    assert written_calls(text, TOOLS, asked=True) == ()


def test_a_conversation_becomes_text_without_losing_anything() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "read_file"}}
    call["function"]["arguments"] = '{"path": "a.py"}'
    messages = [
        {"role": "system", "content": "You code."},
        {"role": "user", "content": "Read."},
        {"role": "assistant", "content": "I look.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "x = 1"},
        {"role": "user", "content": "Go on."},
    ]

    written = as_text(messages, TOOLS)

    assert [message["role"] for message in written] == [
        "system",
        "user",
        "assistant",
        "user",
    ]
    assert written[0]["content"].startswith("You code.")
    assert "write_file(path: string, content: string)" in written[0]["content"]
    (again,) = written_calls(written[2]["content"], TOOLS)
    assert (again.name, again.arguments) == ("read_file", '{"path": "a.py"}')
    assert "<tool_response>\nx = 1\n</tool_response>" in written[3]["content"]
    assert written[3]["content"].endswith("Go on.")
    assert not any("tool_calls" in message for message in written)
