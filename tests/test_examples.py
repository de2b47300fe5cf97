"""The projects under examples/ run as they are: without a key, and without a network
(conftest lets nothing but loopback through)."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from crew.cli import main
from crew.settings.loader import load_settings

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run writes is in the working directory."""
    monkeypatch.chdir(tmp_path)


def records(place: Path) -> list[dict[str, object]]:
    """The records of the runs in a working directory."""
    found = sorted(place.glob("output/*/run.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in found]


def test_the_script_starts_a_crew_for_each_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runpy.run_path(str(EXAMPLES / "script" / "summarise.py"), run_name="__main__")

    runs = records(tmp_path)
    assert [(run["status"], run["rehearsal"]) for run in runs] == [("done", True)] * 2
    assert capsys.readouterr().out.count(": done, $0.0") == 2


def test_the_agents_of_a_crewai_project_are_served_by_tiers(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    script = EXAMPLES / "own-crewai-project" / "main.py"

    with pytest.warns(UserWarning, match="REHEARSAL"):
        runpy.run_path(str(script), run_name="__main__")

    (run,) = re.findall(r"^run (\S+):", capsys.readouterr().out, re.MULTILINE)
    assert main(["--config", str(script.parent / "config"), "report", run]) == 0
    report = capsys.readouterr().out
    assert "researcher" in report
    assert "writer" in report


def test_a_tool_and_a_gate_of_ones_own_are_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = EXAMPLES / "own-tools" / "config"

    code = main(["--config", str(config), "run", "--no-repo", "Why does it stop?"])

    assert code == 0, capsys.readouterr().err
    (run,) = records(tmp_path)
    assert "my_gates.no_promise" in json.dumps(run["tasks"])


def test_the_tool_and_the_gate_do_what_they_say() -> None:
    config = EXAMPLES / "own-tools" / "config"
    tools = runpy.run_path(str(config / "my_tools.py"))
    gates = runpy.run_path(str(config / "my_gates.py"))

    assert tools["search_tickets"].run(word="EXPORT").startswith("T-12: ")
    assert gates["no_promise"]("See T-12.", None) is None
    assert "by tomorrow" in gates["no_promise"]("It works by tomorrow.", None)
    role = load_settings(config, environ={}).roles["support"]
    assert role.tier == "mid"


def test_scripts_share_the_counts_of_the_guard() -> None:
    script = EXAMPLES / "shared-guard" / "translate.py"

    first, second = (
        subprocess.run(
            [sys.executable, script], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    )

    served = re.compile(r"\((near|far), ")
    assert served.findall(first) == ["near", "near", "far"]
    assert served.findall(second) == ["far", "far", "far"]
    assert "near: 2 requests/minute" in second


def test_every_example_is_on_their_page() -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    there = {path.name for path in EXAMPLES.iterdir() if path.is_dir()}

    assert set(re.findall(r"^\| `([\w-]+)/` ", page, re.MULTILINE)) == there
