"""What a resumed run makes of tasks that are done: their gates judge them again."""

import json
from pathlib import Path

from after_runs import repository, writers
from crew.cli import main
from scripted import Scripted, tool_call

GATES = (
    "gates: [{has_sections: [Plan]}, "
    "{judge: {tier: documenter, rubric: 'It is a plan.'}}]"
)


def gated(config: Path, task: str, gates: str) -> None:
    tasks = config / "tasks.yaml"
    agent = {"design": "architect", "code": "coder"}[task]
    text = tasks.read_text()
    tasks.write_text(text.replace(f"agent: {agent}}}", f"agent: {agent}, {gates}}}"))


def test_every_gate_that_asks_no_model_judges_a_finished_task_again(
    config: Path, server: Scripted, tmp_path: Path
) -> None:
    writers(config)
    gated(config, "design", GATES)
    gated(config, "code", "gates: [files_exist]")
    write = tool_call("write_file", path="shop/a.txt", content="good")
    server.replies["thinker"] = ["# Plan\nall"]
    server.replies["smith"] = [write, "see `shop/a.txt`"]
    server.replies["scribe"] = ["PASS", "400"]
    main(["run", "x", "--repo", str(repository(tmp_path / "shop"))])
    (output,) = (tmp_path / "output").glob("2*")
    before = len(server.requests)

    (output / "workspace" / "shop" / "a.txt").unlink()
    server.replies["smith"] = [write, "once more: `shop/a.txt`"]
    server.replies["scribe"] = ["it is described"]
    assert main(["run", "--resume", output.name]) == 0

    models = [one["model"] for one in server.requests[before:]]
    assert models == ["smith", "smith", "scribe"]
    told = str(server.requests[before])
    assert "These files are not in the workspace: shop/a.txt." in told
    record = json.loads((output / "run.json").read_text())
    assert "code is done again: files_exist refuses it now" in record["notices"]
    (code,) = [one for one in record["tasks"] if one["name"] == "code"]
    assert code["status"] == "passed"
    gates = {one["name"]: one["verdict"] for one in code["gates"]}
    assert gates["files_exist"] == "passed"


def test_a_result_that_somebody_changed_is_judged_again(
    config: Path, server: Scripted, tmp_path: Path
) -> None:
    gated(config, "design", GATES)
    server.replies["thinker"] = ["# Plan\nall"]
    server.replies["scribe"] = ["PASS", "400"]
    main(["run", "x"])
    (output,) = (tmp_path / "output").glob("2*")
    before = len(server.requests)

    (output / "design.md").write_text("nothing of it\n")
    server.replies["thinker"] = ["# Plan\nagain"]
    server.replies["scribe"] = ["PASS", "it is described"]
    assert main(["run", "--resume", output.name]) == 0

    models = [one["model"] for one in server.requests[before:]]
    assert models == ["thinker", "scribe", "scribe"]
    assert "# Plan\nagain" in (output / "design.md").read_text()
