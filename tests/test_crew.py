"""The crew, end to end on real HTTP: who calls whom, what is kept, what is told."""

import asyncio
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from building import DEAR, FREE, deployment, provider, role, settings
from configured import with_ready_task
from crew import QuotaExceeded, build_crew, kickoff, load_settings
from crew.errors import RunFailed
from crew.journal import Journal
from crew.settings import GateSpec, Settings, TaskSpec
from scripted import Reply, Scripted, serving, tool_call

MODELS = {
    "manager": "boss",
    "architect": "thinker",
    "coder": "smith",
    "documenter": "scribe",
    "vision_analyst": "eye",
}
WORKING = ("architect", "coder", "documenter")


def brain(request: dict[str, Any]) -> Reply:
    """A model that delegates when it can, uses its tools once, and then answers."""
    offered = {
        tool["function"]["name"]: tool["function"]
        for tool in request.get("tools") or ()
    }
    messages = request["messages"]
    made = [
        call["function"]["name"]
        for message in messages
        for call in message.get("tool_calls") or ()
    ]
    said = "\n".join(str(message.get("content")) for message in messages)
    if "delegate_work_to_coworker" in offered:
        if not made:
            names = offered["delegate_work_to_coworker"]["description"]
            coworker = re.search(r"coworkers?: ([^\n]+)", names)
            assert coworker is not None, names
            return tool_call(
                "delegate_work_to_coworker",
                task=messages[-1]["content"],
                context="all that is known",
                coworker=coworker[1].split(",")[0].strip(),
            )
        return f"The manager passes on: {messages[-1]['content']}"
    if "look_at_image" in offered and "look_at_image" not in made:
        found = re.search(r"\S+\.png", said)
        assert found is not None
        return tool_call("look_at_image", image=found[0], question="What is it?")
    if "read_file" in offered and "list_files" not in made:
        return tool_call("list_files", directory=".")
    if "write_file" in offered and "write_file" not in made:
        path = "shop/made.py" if "shop" in said else "made.py"
        return tool_call("write_file", path=path, content="ANSWER = 42\n")
    return f"{request['model']} did the work."


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as script:
        script.brain = brain
        yield script


@pytest.fixture
def made(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Settings]:
    monkeypatch.chdir(tmp_path)

    def make(**fields: Any) -> Settings:
        by = provider("one", base_url=server.url)
        names = [*MODELS.values(), "spare"]
        chain = [
            deployment(name, by, price=DEAR if name == "boss" else FREE, vision=True)
            for name in names
        ]
        tiers = {who: ([model, "spare"], None) for who, model in MODELS.items()}
        tiers["senior"] = (["boss"], None)
        tools = ("list_files", "read_file", "write_file")
        roles = [
            role(
                who,
                who,
                role=who.replace("_", " ").title(),
                tools={"coder": tools, "vision_analyst": ("look_at_image",)}.get(
                    who, ()
                ),
            )
            for who in MODELS
        ]
        tasks = [
            task("look", "vision_analyst", "Look at {images}.", when="images"),
            task("design", "architect"),
            task("code", "coder", context=("design",)),
            task("document", "documenter"),
        ]
        merged: dict[str, Any] = {
            "tiers": tiers,
            "roles": roles,
            "tasks": tasks,
            "store_url": f"sqlite:///{tmp_path}/quota.db",
            "max_wait": 0.0,
            **fields,
        }
        return settings(chain, tmp_path, **merged)

    return make


def task(name: str, agent: str, text: str = "{request}", **fields: Any) -> TaskSpec:
    return TaskSpec(
        name=name,
        description=f"{name}: {text} in {{repositories}}",
        expected_output="text",
        agent=agent,
        **fields,
    )


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop"
    path.mkdir()
    (path / "README.md").write_text("# Shop\n")
    for command in (
        ["init", "-q", "-b", "main"],
        ["add", "-A"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "start"],
    ):
        subprocess.run(["git", *command], cwd=path, check=True)
    return path


def git(path: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=path, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_the_manager_really_delegates_to_each_coworker(
    server: Scripted, made: Callable[..., Settings]
) -> None:
    result = kickoff(request="Add pages", config=made())

    by_task = {
        (call["task"], call["role"], call["deployment"])
        for call in result.document["calls"]
    }
    for name, who in (
        ("design", "architect"),
        ("code", "coder"),
        ("document", "documenter"),
    ):
        assert (name, "manager", "boss") in by_task
        assert (name, who, MODELS[who]) in by_task
    delegated = [r for r in server.requests if r["model"] == "thinker"]
    assert "design: Add pages" in str(delegated[0]["messages"])
    assert result.raw.startswith("The manager passes on: scribe did the work.")
    assert result.status == "done"


def test_the_books_agree_with_what_the_provider_told(
    server: Scripted, made: Callable[..., Settings]
) -> None:
    result = kickoff(request="Add pages", config=made())

    calls = result.document["calls"]
    totals = (
        sum(call["input_tokens"] for call in calls),
        sum(call["output_tokens"] for call in calls),
    )
    assert totals == server.totals()
    assert len(calls) == len(server.requests)
    boss_in, boss_out = (
        sum(reported) for reported in zip(*server.reported["boss"], strict=True)
    )
    assert result.document["cost_usd"] == pytest.approx(
        (5 * boss_in + 25 * boss_out) / 1e6
    )
    assert result.document["cost_all_senior_usd"] == pytest.approx(
        (5 * totals[0] + 25 * totals[1]) / 1e6
    )


def test_a_repository_is_worked_on_in_a_branch_and_the_checkout_stays(
    server: Scripted, made: Callable[..., Settings], shop: Path
) -> None:
    result = kickoff(request="Add pages", repositories=[shop], config=made())

    branch = f"crew/{result.run_id}"
    assert git(shop, "status", "--porcelain") == ""
    assert git(shop, "branch", "--show-current") == "main\n"
    assert "+ANSWER = 42" in git(shop, "diff", f"main...{branch}")
    (reported,) = result.document["workspace"]["repositories"]
    assert (reported["branch"], reported["files"], reported["insertions"]) == (
        branch,
        1,
        1,
    )
    listed = [m for r in server.requests for m in r["messages"] if m["role"] == "tool"]
    assert any("shop/README.md" in str(message["content"]) for message in listed)


def test_a_conversation_too_long_for_all_is_summarised_and_goes_on(
    server: Scripted, made: Callable[..., Settings], shop: Path
) -> None:
    (shop / "README.md").write_text("word " * 3_000)
    git(shop, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qam", "longer")

    def short_sighted(request: dict[str, Any]) -> Reply:
        said = "\n".join(str(message.get("content")) for message in request["messages"])
        if len(said) > 9_000:
            return "400 This model's maximum context length is 2000 tokens."
        if "creates structured summaries" in said:
            return "<summary>The README says word.</summary>"
        if "summary of prior context" in said:
            return "done after a summary"
        return tool_call("read_file", path="shop/README.md")

    server.brain = short_sighted
    reported: list[str] = []
    coding = made(
        process="sequential",
        tasks=[task("code", "coder")],
        roles=[role("coder", "coder", tools=("read_file",))],
    )

    result = kickoff(
        request="Read", repositories=[shop], config=coding, listener=reported.append
    )

    assert result.raw == "done after a summary"
    outcomes = [call["outcome"] for call in result.document["calls"]]
    assert outcomes[:3] == ["ok", "ContextTooLong", "ContextTooLong"]  # smith, spare
    assert set(outcomes[3:]) == {"ok"}
    assert len(outcomes[3:]) > 2  # in parts that fit
    assert [line for line in reported if "it is summarised" in line]


HUGE = "x" * 900_000


@pytest.mark.parametrize("summary", [f"<summary>{HUGE}</summary>", "<summary>s"])
def test_arguments_without_end_stop_a_run_after_a_few_rounds(
    server: Scripted, made: Callable[..., Settings], shop: Path, summary: str
) -> None:
    def endless(request: dict[str, Any]) -> Reply:
        said = "".join(str(message) for message in request["messages"])
        if len(said) > 400_000:
            return "400 This model's maximum context length is 100000 tokens."
        if "creates structured summaries" in said:
            return summary
        return tool_call("write_file", path="shop/big.txt", content=HUGE)

    server.brain = endless
    coding = made(
        process="sequential",
        tasks=[task("code", "coder")],
        roles=[role("coder", "coder", tools=("write_file",))],
    )

    with pytest.raises(RunFailed, match="too long again right after each of 3"):
        kickoff(request="Write", repositories=[shop], config=coding)

    assert len(server.requests) < 60
    large = [one for one in server.requests if len(str(one["messages"])) > 200_000]
    assert len(large) < 40


def test_the_output_holds_every_result_and_the_document(
    made: Callable[..., Settings], tmp_path: Path
) -> None:
    result = kickoff(request="Add pages", config=made())

    output = tmp_path / "output" / result.run_id
    written = json.loads((output / "run.json").read_text())
    assert written == json.loads(json.dumps(result.document))
    assert [task["name"] for task in written["tasks"]] == ["design", "code", "document"]
    assert "smith did the work" in (output / "code.md").read_text()
    assert (output / "workspace" / "made.py").read_text() == "ANSWER = 42\n"


def test_the_vision_analyst_sees_a_real_image(
    server: Scripted, made: Callable[..., Settings], tmp_path: Path
) -> None:
    from PIL import Image

    Image.new("RGB", (3, 2), "red").save(tmp_path / "mock.png")

    result = kickoff(request="Add pages", images=[tmp_path / "mock.png"], config=made())

    blocks = [
        block
        for request in server.requests
        if request["model"] == "eye"
        for message in request["messages"]
        if isinstance(message.get("content"), list)
        for block in message["content"]
    ]
    urls = [block["image_url"]["url"] for block in blocks if "image_url" in block]
    assert urls
    assert urls[0].startswith("data:image/png;base64,")
    assert result.document["tasks"][0]["name"] == "look"


@pytest.mark.parametrize("process", ["hierarchical", "sequential"])
@pytest.mark.parametrize(
    "name", ["accessibility", "api_documentation", "error_screenshot"]
)
def test_a_ready_task_sees_the_image_and_tells_the_designer(
    server: Scripted,
    made: Callable[..., Settings],
    tmp_path: Path,
    name: str,
    process: str,
) -> None:
    from PIL import Image

    Image.new("RGB", (3, 2), "red").save(tmp_path / "mock.png")
    known = load_settings(with_ready_task(tmp_path / "ready", name), environ={}).tasks
    config = made(tasks=[known[name], known["design"]], process=process)

    result = kickoff(request="Help", images=[tmp_path / "mock.png"], config=config)

    seen = [r for r in server.requests if "data:image/png" in str(r["messages"])]
    assert {request["model"] for request in seen} == {"eye"}
    assert [task["name"] for task in result.document["tasks"]] == [name, "design"]
    design = next(r for r in server.requests if r["model"] == "thinker")
    assert "eye did the work." in str(design["messages"])


def test_a_sequential_process_needs_no_manager(
    server: Scripted, made: Callable[..., Settings]
) -> None:
    config = made(process="sequential")

    result = kickoff(request="Add pages", config=config)

    assert {call["role"] for call in result.document["calls"]} == set(WORKING)
    assert server.hits("boss") == 0
    assert result.raw == "scribe did the work."


def test_a_limit_in_the_middle_swaps_and_keeps_the_conversation(
    server: Scripted, made: Callable[..., Settings]
) -> None:
    server.replies["smith"] = [tool_call("list_files", directory="."), "429"]

    result = kickoff(request="Add pages", config=made())

    refused = [r for r in server.requests if r["model"] == "smith"][1]
    taken = next(r for r in server.requests if r["model"] == "spare")
    assert taken["messages"] == refused["messages"]
    assert [m["role"] for m in taken["messages"][-2:]] == ["assistant", "tool"]
    assert result.status == "done"
    (swap,) = [s for s in result.report.swaps if s.to_deployment == "spare"][:1]
    assert swap.from_deployment == "smith"
    assert swap.reason.startswith("RateLimited (429)")


def test_a_coworkers_exhaustion_ends_the_run_as_closed_and_resume_goes_on(
    server: Scripted, made: Callable[..., Settings], tmp_path: Path
) -> None:
    config = made()
    server.replies = {"smith": ["429"], "spare": ["429"]}
    server.headers = {"retry-after": "1"}

    with pytest.raises(QuotaExceeded) as caught:
        kickoff(request="Add pages", config=config)

    (output,) = (tmp_path / "output").glob("2*")
    document = json.loads((output / "run.json").read_text())
    assert document["status"] == "closed"
    assert {entry["deployment"] for entry in document["closed"]} == {"smith", "spare"}
    assert [entry["name"] for entry in document["tasks"]] == ["design"]
    assert "kickoff(resume=" in str(caught.value.__notes__)
    assert server.hits("scribe") == 0

    server.replies = {}
    before = server.hits("thinker")
    fresh = made(store_url=f"sqlite:///{tmp_path}/later.db")
    result = kickoff(resume=output.name, config=fresh)

    assert result.status == "done"
    assert server.hits("thinker") == before
    assert [t["name"] for t in result.document["tasks"]] == [
        "design",
        "code",
        "document",
    ]
    coder = [r for r in server.requests if r["model"] == "boss"][-4]
    assert "thinker did the work" in str(coder["messages"])


def test_resuming_a_finished_run_calls_nobody(
    server: Scripted, made: Callable[..., Settings]
) -> None:
    config = made()
    first = kickoff(request="Add pages", config=config)
    before = len(server.requests)

    again = kickoff(resume=first.run_id, config=config)

    assert len(server.requests) == before
    assert (again.status, again.document["tasks"]) == ("done", first.document["tasks"])


def test_a_request_that_a_provider_refuses_fails_the_run(
    server: Scripted, made: Callable[..., Settings]
) -> None:
    server.replies["scribe"] = ["400"]

    with pytest.raises(RunFailed, match="BadRequest"):
        kickoff(request="Add pages", config=made())

    assert server.hits("spare") == 0


def test_a_gate_sends_a_bad_result_back(
    server: Scripted, made: Callable[..., Settings]
) -> None:
    bad, good = "```python\ndef f(:\n```", "```python\ndef f():\n    pass\n```"
    server.replies["smith"] = [bad, good]
    gates = (GateSpec(name="python_parses"),)
    tasks = [task("code", "coder", gates=gates, changed=False)]

    result = kickoff(
        request="Add pages", config=made(tasks=tasks, process="sequential")
    )

    assert result.raw == good
    assert "this is not Python" in str(server.requests[1]["messages"])


def test_a_role_and_a_task_of_the_yaml_alone_work(
    server: Scripted, made: Callable[..., Settings]
) -> None:
    config = made()
    extra = role("poet", "documenter", role="Poet")
    verse = task("verse", "poet", context=("document",))
    grown = made(
        roles=[*config.roles.values(), extra], tasks=[*config.tasks.values(), verse]
    )

    result = kickoff(request="Add pages", config=grown)

    assert ("verse", "poet") in {
        (call["task"], call["role"]) for call in result.document["calls"]
    }


def _inputs(request: str) -> dict[str, str]:
    return {"request": request, "repositories": "none", "images": "none"}


def _plain(crew: Any) -> None:
    crew.kickoff(inputs=_inputs("one"))


def _each(crew: Any) -> None:
    crew.kickoff_for_each(inputs=[_inputs("one"), _inputs("two")])


def _async(crew: Any) -> None:
    asyncio.run(crew.kickoff_async(inputs=_inputs("one")))


def _native(crew: Any) -> None:
    asyncio.run(crew.akickoff(inputs=_inputs("one")))


def _each_async(crew: Any) -> None:
    asyncio.run(crew.kickoff_for_each_async(inputs=[_inputs("one"), _inputs("two")]))


def _streamed(crew: Any) -> None:
    crew.stream = True
    chunks = [chunk.content for chunk in crew.kickoff(inputs=_inputs("one"))]
    assert "did the work" in "".join(chunks)


@pytest.mark.parametrize("process", ["hierarchical", "sequential"])
@pytest.mark.parametrize(
    "start", [_plain, _each, _async, _native, _each_async, _streamed]
)
def test_however_it_starts_every_call_lands_on_its_role(
    server: Scripted,
    made: Callable[..., Settings],
    start: Callable[[Any], None],
    process: str,
    tmp_path: Path,
) -> None:
    # A manager works on one task at a time.
    together = {"async_execution": process == "sequential"}
    tasks = [
        task("design", "architect", options=together),
        task("document", "documenter", context=(), options=together),
        task("code", "coder", context=("design", "document")),
    ]
    config = made(process=process, tasks=tasks)

    start(build_crew(config))

    from crew.clock import SystemClock

    with Journal.open(config.state_dir / "journal.db", SystemClock()) as journal:
        (run,) = journal.runs()
        calls = journal.calls(run.run)
    for who, model in MODELS.items():
        mine = [call for call in calls if call.role == who]
        assert sorted((c.input_tokens, c.output_tokens) for c in mine) == sorted(
            server.reported.get(model, [])
        )
    assert {call.role for call in calls} >= set(WORKING)
