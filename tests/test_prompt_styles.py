"""The style of a prompt: which one a model gets, and that nothing else changes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from building import deployment, provider, role, settings
from crew import kickoff
from crew.calls.wording import override, worded
from crew.clock import SystemClock
from crew.errors import ProviderError, SettingsError
from crew.journal import Journal
from crew.providers.prompt import Prompt
from crew.providers.transport import complete
from crew.routing import Request, route
from crew.settings import Settings, TaskSpec
from crew.settings.loader import load_settings
from crew.settings.prompts import style_for
from crew.settings.styles import BUILT_IN, Style
from scripted import Reply, Scripted, serving, tool_call

PROVIDERS = """
providers:
  one: {api_key: "${ONE_API_KEY}", base_url: "http://127.0.0.1:9/v1"}
deployments:
  m: {provider: one, model: openai/deepseek-v4, price: {input: 0, output: 0}%s}
%s"""
FILES = {
    "tiers.yaml": "tiers: {mid: [m]}",
    "agents.yaml": "coder: {role: Coder, goal: g, backstory: b, tier: mid}",
    "tasks.yaml": "process: sequential\n"
    "code: {description: '{request}', expected_output: e, agent: coder}",
}


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as script:
        yield script


def written(directory: Path, own: str = "", more: str = "") -> Path:
    directory.mkdir(exist_ok=True)
    for name, text in FILES.items():
        (directory / name).write_text(text)
    (directory / "providers.yaml").write_text(PROVIDERS % (own, more))
    return directory


def style_in(directory: Path) -> Style:
    known = load_settings(directory, environ={})
    return style_for(known, known.deployments["m"])


@pytest.mark.parametrize(
    ("model", "style"),
    [
        ("openrouter/deepseek/deepseek-v4-flash-0731", "step_by_step"),
        ("gemini/gemini-3.5-flash-lite", "structured"),
        ("anthropic/claude-opus-5-5", "conversational"),
        ("together_ai/meta-llama/Llama-4-Scout", "direct"),
        ("openrouter/deepseek/deepseek-r1-distill-llama-70b", "step_by_step"),
        # A service's name is no family.
        ("gemini/gemma-4-31b-it", "none"),
        ("ollama_chat/qwen3:8b", "none"),
        ("deepseek/other", "none"),
        ("openai/gpt-5.6", "none"),
    ],
)
def test_a_family_has_a_style_by_default(
    model: str, style: str, tmp_path: Path
) -> None:
    one = deployment("m", provider("p"), model=model)
    known = settings([one], tmp_path)

    assert style_for(known, one).name == style
    assert style_for(known, one, "direct").name == "direct"


def test_the_yaml_goes_before_the_default_and_a_deployment_before_its_family(
    tmp_path: Path,
) -> None:
    family = written(tmp_path / "a", more="prompts: {deepseek: direct}")
    own = written(tmp_path / "b", ", prompt: none", "prompts: {DeepSeek: direct}")

    assert style_in(family).name == "direct"
    assert style_in(own).name == "none"


def test_a_file_beside_the_yaml_is_a_style_and_part_of_the_configuration(
    tmp_path: Path,
) -> None:
    place = written(tmp_path / "config", ", prompt: prompts/own.md")
    (place / "prompts").mkdir()
    (place / "prompts" / "own.md").write_text("Think of {braces} and ${HOME}.\n")
    before = load_settings(place, environ={})

    (place / "prompts" / "own.md").write_text("Think twice.")
    after = load_settings(place, environ={})

    assert before.styles["prompts/own.md"].text == "Think of {braces} and ${HOME}."
    assert before.config_hash != after.config_hash


@pytest.mark.parametrize(
    ("own", "more", "line", "said"),
    [
        (", prompt: shouting", "", 5, "is no style; allowed: step_by_step"),
        (", prompt: absent.md", "", 5, "there is no file"),
        (", prompt: empty.md", "", 5, "is empty; `none` is for no style"),
        (", prompt: latin.md", "", 5, "is not UTF-8"),
        (", prompt: long.md", "", 5, "is larger than 32,768 bytes"),
        (", prompt: ../outside.md", "", 5, "leads out of the directory"),
        (", prompt: link.md", "", 5, "leads out of the directory"),
        (", prompt: folder.md", "", 5, "there is no file"),
        ("", "prompts: {deepseek: absent.md}", 6, "there is no file"),
        ("", "prompts: {deepsek: direct}", 6, "no model belongs to it"),
        ("", "prompts: {deepseek: 3}", 6, "expected a text"),
    ],
)
def test_a_mistake_in_a_style_has_its_line(
    own: str, more: str, line: int, said: str, tmp_path: Path
) -> None:
    place = written(tmp_path / "config", own, more)
    (tmp_path / "outside.md").write_text("no")
    (place / "link.md").symlink_to(tmp_path / "outside.md")
    (place / "folder.md").mkdir()
    (place / "empty.md").write_text(" \n")
    (place / "latin.md").write_bytes(b"caf\xe9")
    (place / "long.md").write_text("x" * 40_000)

    with pytest.raises(SettingsError) as raised:
        load_settings(place, environ={})

    (mistake,) = raised.value.mistakes
    assert (mistake.line, Path(mistake.file).name) == (line, "providers.yaml")
    assert said in mistake.message


def made(server: Scripted, tmp_path: Path, *models: dict[str, Any]) -> Settings:
    """Deployments in a chain, by ids that belong to families."""
    deployments = [
        deployment(f"m{n}", provider(f"p{n}", base_url=server.url), **one)
        for n, one in enumerate(models)
    ]
    task = TaskSpec(
        name="code",
        description="{request}",
        expected_output="a",
        agent="coder",
        changed=False,
    )
    return settings(
        deployments,
        tmp_path,
        roles=[role(tools=("read_file", "write_file"))],
        tasks=[task],
        process="sequential",
        max_wait=0.0,
        store_url=f"sqlite:///{tmp_path}/quota.db",
    )


def test_a_swap_in_mid_conversation_changes_the_style_and_nothing_else(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write = tool_call("write_file", path="a.py", content="x = 1\n")

    def brain(request: dict[str, Any]) -> Reply:
        if len(request["messages"]) == 2:
            return write
        return "429" if "gemini" in request["model"] else "a.py is written."

    server.brain = brain
    config = made(
        server,
        tmp_path,
        {"model": "openai/gemini-3"},
        {"model": "openai/claude-opus-5"},
    )

    result = kickoff(request="Write a.py", config=config)

    first, refused, swapped = server.requests
    assert [one["model"] for one in server.requests] == [
        "gemini-3",
        "gemini-3",
        "claude-opus-5",
    ]
    # One prefix for each deployment, so that its cache stays warm.
    assert refused["messages"][:2] == first["messages"]
    before = BUILT_IN["structured"].text + "\n\n"
    after = BUILT_IN["conversational"].text + "\n\n"
    text = refused["messages"][0]["content"]
    assert text.startswith(before)
    assert swapped["messages"][0]["content"] == after + text.removeprefix(before)
    assert swapped["messages"][1:] == refused["messages"][1:]
    assert swapped["tools"] == refused["tools"]
    with Journal.open(tmp_path / ".crew" / "journal.db", SystemClock()) as journal:
        (attempt,) = journal.attempts.of(result.run_id)
        calls = journal.calls(result.run_id)
    assert (attempt.deployment, attempt.prompt_style) == ("m1", "conversational")
    # What was sent is counted with its style; both calls send the rest alike.
    sent = {one.deployment: one.characters or 0 for one in calls[1:]}
    assert sent["m1"] - sent["m0"] == len(after) - len(before)


def test_a_style_stands_before_the_tools_that_are_described_by_text(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    server.brain = lambda request: "done"
    config = made(server, tmp_path, {"model": "openai/llama-4", "tools": False})

    kickoff(request="Say it", config=config)

    text = server.requests[0]["messages"][0]["content"]
    assert text.startswith(BUILT_IN["direct"].text)
    assert "read_file" in text


PLAIN = BUILT_IN["none"]
IMAGE = {
    "type": "image_url",
    "image_url": {"url": "data:image/png;base64,iVBORw0KGg=="},
}
TALK = [
    {"role": "system", "content": "You are a coder."},
    {"role": "user", "content": [{"type": "text", "text": "Look:"}, IMAGE]},
    tool_call("read_file", path="a.py"),
    {"role": "tool", "tool_call_id": "call_read_file", "content": "x = 1"},
    {"role": "user", "content": "Go on."},
]


@pytest.mark.parametrize(
    "model",
    [
        "anthropic/claude-sonnet-5",
        "gemini/gemini-3.5-flash-lite",
        "mistral/mistral-small-latest",
        "openrouter/deepseek/deepseek-v4",
    ],
)
def test_every_family_gets_the_style_where_its_system_prompt_stands(
    server: Scripted, model: str
) -> None:
    style = Style(name="own.md", text="MARK " * 5)
    plain, styled = (sent(server, model, worded(TALK, s)) for s in (PLAIN, style))

    assert "MARK" not in plain
    assert styled.count(style.text) == 1
    # Without the style both are the same, images, tools and bridges included.
    assert styled.replace(style.text + "\\n\\n", "") == plain


def sent(server: Scripted, model: str, messages: list[Any]) -> str:
    server.canned = (500, {"error": {"message": "down"}})
    family = model.partition("/")[0]
    url = server.url.removesuffix("/v1") if family == "anthropic" else server.url
    slot = deployment("slot", provider(family, base_url=url), model=model)
    with pytest.raises(ProviderError):
        complete(slot, Prompt(messages=messages), now=0.0)
    return json.dumps(json.loads(server.bodies[-1]), sort_keys=True)


def test_a_conversation_without_a_system_message_gets_one() -> None:
    hello = {"role": "user", "content": "hello"}

    assert worded([hello], BUILT_IN["direct"]) == [
        {"role": "system", "content": BUILT_IN["direct"].text},
        hello,
    ]
    assert worded([hello], PLAIN) == [hello]


def test_a_role_without_a_system_prompt_and_a_program_that_reads_get_no_style() -> None:
    plain = role(options={"use_system_prompt": False})

    assert override(plain, is_read=False, chosen="direct") == "none"
    assert override(role(), is_read=True, chosen="direct") == "none"
    assert override(role(), is_read=False, chosen="direct") == "direct"
    assert override(role(), is_read=False, chosen=None) is None


def test_a_style_takes_its_room_in_the_window(tmp_path: Path) -> None:
    one = deployment("m", provider("p"), model="openai/x", prompt="long.md")
    long = Style(name="long.md", text="word " * 800)
    known = settings([one], tmp_path, styles={**BUILT_IN, "long.md": long})
    one_window = {"tier": "mid", "input_tokens": 127_000, "output_tokens": 500}

    assert route(known, Request(**one_window)).candidates == ()
    assert route(known, Request(**one_window, style="none")).candidates == (one,)
