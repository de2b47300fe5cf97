"""The `crew` command: exit codes, what goes where, and what never does."""

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from configured import KEY, SECRET, configure
from crew import build_crew, load_settings
from crew.cli import main
from crew.clock import SystemClock
from crew.journal import Journal
from scripted import Scripted, tool_call


def everything(top: Path) -> list[Path]:
    return sorted(top.rglob("*"))


def test_a_run_prints_its_result_and_what_it_took(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["run", "Add pages"])

    shown = capsys.readouterr()
    assert code == 0
    assert shown.out.startswith("scribe did the work.\n\nNo file was written.\n")
    assert "\nRole" in shown.out
    assert "total" in shown.out
    assert ": done; see output/" in shown.out
    assert [line for line in shown.err.splitlines() if line[0] != "·"] == []


def test_json_is_one_document_and_nothing_else(
    config: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code = main(["run", "Add pages", "--json"])

    reported = json.loads(capsys.readouterr().out)
    written = json.loads(
        (tmp_path / "output" / reported["run"] / "run.json").read_text()
    )
    assert code == 0
    assert reported == written
    assert set(reported) == {
        "run",
        "status",
        "rehearsal",
        "request",
        "started_at",
        "finished_at",
        "seconds",
        "versions",
        "config_hash",
        "notices",
        "failures",
        "result",
        "workspace",
        "tasks",
        "limits",
        "calls",
        "cost_usd",
        "cost_all_senior_usd",
        "cached_tokens",
        "cache_write_tokens",
        "cache_saved_usd",
        "limits",
    }
    assert set(reported["tasks"][0]) == {
        "name",
        "agent",
        "status",
        "result",
        "roles",
        "gates",
        "kept",
        "kind",
        "complexity",
        "complexity_reason",
    }
    assert set(reported["calls"][0]) == {
        "task",
        "role",
        "part",
        "deployment",
        "provider",
        "input_tokens",
        "output_tokens",
        "cost_usd",
        "seconds",
        "outcome",
        "reason",
        "cached_tokens",
        "cache_write_tokens",
    }
    assert (reported["status"], reported["rehearsal"]) == ("done", False)
    assert [task["name"] for task in reported["tasks"]] == [
        "design",
        "code",
        "document",
    ]


def test_what_a_terminal_cannot_say_is_escaped(
    config: Path,
    server: Scripted,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    server.replies["scribe"] = ["a lone surrogate \ud800"]

    assert main(["run", "Add pages"]) == 0
    assert "a lone surrogate \\ud800" in capsys.readouterr().out
    (written,) = (tmp_path / "output").glob("2*/document.md")
    assert written.read_text().endswith("\\ud800")


def test_a_request_that_is_refused_fails_the_run(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    server.replies["smith"] = ["400"]

    code = main(["run", "Add pages", "--json"])

    shown = capsys.readouterr()
    assert code == 1
    assert json.loads(shown.out)["status"] == "failed"
    reported = [line for line in shown.err.splitlines() if line[0] != "·"]
    assert [line.partition(":")[0] for line in reported] == ["crew", "crew"]
    assert "BadRequest" in reported[0]
    assert "status 400" in reported[0]
    assert "status 400" in json.loads(shown.out)["error"]
    assert "crew run --resume 2" in reported[1]


def test_what_would_fool_a_terminal_is_shown_as_text(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    server.replies["scribe"] = ["all \x1b[8mhidden\x1b[0m \u202ekcab\r"]

    assert main(["run", "Add pages"]) == 0
    assert "all \\x1b[8mhidden\\x1b[0m \\u202ekcab" in capsys.readouterr().out
    assert main(["report", "--json"]) == 0
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert json.loads(printed)["result"].startswith("all \x1b[8m")


def test_waiting_is_not_advised_where_nothing_opens_by_itself(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    server.replies["scribe"] = ["401"]

    assert main(["run", "Add pages"]) == 75
    (hint,) = [
        line for line in capsys.readouterr().err.splitlines() if "--resume" in line
    ]
    assert hint.startswith("crew: waiting does not help")
    assert "set a key" in hint


def test_a_file_without_its_repository_is_written_into_the_only_one(
    config: Path, server: Scripted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = tmp_path / "shop"
    _repository(shop)
    agents = config / "agents.yaml"
    tools = "tier: coder, tools: [write_file]}"
    agents.write_text(agents.read_text().replace("tier: coder}", tools))
    # A path without the repository's name is taken as in it.
    write = tool_call("write_file", path="notes/plan.md", content="plan")
    server.replies["smith"] = [write, "smith did the work."]

    assert main(["run", "Add pages", "--repo", str(shop)]) == 0
    shown = capsys.readouterr().out
    (written,) = (tmp_path / "output").glob("2*/run.json")

    assert "\nChanged in" in shown
    assert f"{str(shop)[-60:]}:\n" in shown  # of a long path the end is shown
    assert "\n  notes/plan.md  " in shown
    reported = json.loads(written.read_text())["workspace"]
    assert reported["files"] == []
    (repository,) = reported["repositories"]
    assert [one["path"] for one in repository["changed"]] == ["notes/plan.md"]


def _repository(path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(path)], check=True)
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    commit = ["commit", "-q", "--allow-empty", "-m", "start"]
    subprocess.run(["git", "-C", str(path), *who, *commit], check=True)


def test_closed_deployments_are_told_with_the_time_they_open(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(config, server.url, limits=["1 requests/hour"])

    code = main(["--config", str(config), "run", "Add pages", "--json"])

    shown = capsys.readouterr()
    (closed,) = json.loads(shown.out)["closed"]
    assert code == 75
    assert closed["deployment"] == "smith"
    assert closed["opens_at"] > "2026"
    assert "smith: 1 requests/hour" in shown.err
    assert "; opens 2" in shown.err
    assert f"crew --config {config} run --resume 2" in shown.err
    assert "Traceback" not in shown.err


def test_a_closed_run_goes_on_where_it_stopped(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    server.replies["scribe"] = ["401"]
    assert main(["run", "Add pages", "--json"]) == 75
    run = json.loads(capsys.readouterr().out)["run"]
    server.replies = {}
    before = len(server.requests)

    code = main(["run", "--resume", run, "--json"])

    again = json.loads(capsys.readouterr().out)
    assert (code, again["run"], again["status"]) == (0, run, "done")
    assert [r["model"] for r in server.requests[before:]] == ["scribe"]


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (["run"], "REQUEST: say what to do"),
        (["run", " "], "REQUEST: it is empty"),
        (["run", "x", "--input", "=v"], "--input: '=v' is not of the form K=V"),
        (["run", "--repo", "."], "REQUEST: say what to do"),
        (["run", "x", "--repo", "gone"], "gone"),
        (["run", "x", "--image", "gone.png"], "gone.png"),
        (["run", "x", "--image", "text.png"], "text.png"),
        (["run", "--resume", "20200101-000000-0000"], "no run '20200101-000000-0000'"),
        (["run", "x", "--resume", "1"], "a resumed run keeps its request"),
        (["report"], "there is no run yet"),
        (["report", "20200101-000000-0000"], "there is no run yet"),
        (["--config", "gone", "check"], "gone"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_arguments_end_in_one_line_and_write_nothing(
    config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    reported: str,
) -> None:
    (tmp_path / "text.png").write_text("no image")
    before = everything(tmp_path)

    code = main(arguments)

    shown = capsys.readouterr()
    assert code == 2
    assert shown.out == ""
    assert reported in shown.err
    assert all(line.startswith("crew: ") for line in shown.err.splitlines())
    assert everything(tmp_path) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["fly"],
        [],
        ["run", "--fly"],
        ["emulate", "--port", "x"],
        ["emulate", "--port", "99999"],
        ["emulate", "--port", "-1"],
        ["emulate", "--speed", "nan"],
        ["emulate", "--speed", "0"],
        ["emulate", "--speed", "inf"],
    ],
)
def test_an_unknown_command_or_option_exits_with_2(
    config: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert "Usage: crew" in capsys.readouterr().err


def test_mistakes_of_the_files_and_of_the_arguments_are_told_at_once(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agents, tiers = config / "agents.yaml", config / "tiers.yaml"
    agents.write_text(agents.read_text().replace("tier: coder", "tier: codr"))
    tiers.write_text(tiers.read_text() + "max_cals: 3\n")
    before = everything(tmp_path)

    code = main(["run", "x", "--repo", "gone", "--input", "y", "--json"])

    shown = capsys.readouterr()
    assert code == 2
    lines = shown.err.splitlines()
    assert len(lines) == 4
    assert any("agents.yaml:2: coder.tier:" in line for line in lines)
    assert any("tiers.yaml:6: max_cals" in line for line in lines)
    assert any("arguments: --input:" in line for line in lines)
    assert json.loads(shown.out)["error"] == [line[6:] for line in lines]
    assert everything(tmp_path) == before


def test_a_repository_and_an_input_reach_the_work(
    config: Path, server: Scripted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = tmp_path / "shop"
    _repository(shop)
    tasks = config / "tasks.yaml"
    tasks.write_text(tasks.read_text().replace("{request}", "{request} in {style}"))

    refused = main(["run", "Add pages", "--repo", str(shop)])
    code = main(["run", "Add pages", "--repo", str(shop), "--input", "style=prose"])

    shown = capsys.readouterr()
    assert (refused, code) == (2, 0)
    assert "{style}" in shown.err
    assert "design of Add pages in prose" in str(server.requests[0]["messages"])
    assert "\nnothing changed in" in shown.out
    assert f"{str(shop)[-60:]}\n" in shown.out


def test_a_change_is_shown_by_the_command_that_shows_it(
    config: Path, server: Scripted, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = tmp_path / "shop"
    _repository(shop)
    agents = config / "agents.yaml"
    tools = "tier: coder, tools: [write_file]}"
    agents.write_text(agents.read_text().replace("tier: coder}", tools))
    write = tool_call("write_file", path="shop/pages.py", content="PAGES = 1\n")
    server.replies["smith"] = [write, "smith did the work."]

    assert main(["run", "Add pages", "--repo", str(shop)]) == 0
    assert "  crew diff 2" in capsys.readouterr().out


# Reports.


def _killed(tmp_path: Path) -> str:
    """Make the latest run look as if its process was killed in its last task."""
    (output,) = (tmp_path / "output").glob("2*")
    (output / "run.json").unlink()
    (output / "document.md").unlink()
    with sqlite3.connect(tmp_path / ".crew" / "journal.db") as db:
        db.execute("UPDATE run SET status = 'running', finished_at = NULL")
        db.execute("DELETE FROM task WHERE name = 'document'")
    db.close()
    return output.name


def test_report_json_is_the_record_that_the_run_wrote(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["run", "Add pages", "--json"])
    reported = json.loads(capsys.readouterr().out)

    for arguments in (["report", "--json"], ["report", reported["run"], "--json"]):
        assert main(arguments) == 0
        assert json.loads(capsys.readouterr().out) == reported


def test_a_killed_run_is_reported_from_the_journal_as_interrupted(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["run", "Add pages", "--json"])
    whole = json.loads(capsys.readouterr().out)
    run = _killed(tmp_path)

    assert main(["report", "--json"]) == 0
    reported = json.loads(capsys.readouterr().out)
    assert main(["report"]) == 0
    shown = capsys.readouterr().out

    assert (reported["run"], reported["status"], reported["result"]) == (
        run,
        "interrupted",
        None,
    )
    assert reported["tasks"] == whole["tasks"][:2]
    assert reported["calls"] == whole["calls"]
    assert set(reported) >= set(whole)
    assert shown.startswith(f"run {run}: interrupted; see ")
    assert f"go on with: crew run --resume {run}" in shown


def test_a_run_that_is_not_in_the_journal_is_a_mistake(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Journal.open(config.parent / ".crew" / "journal.db", SystemClock()).close()

    for arguments, reported in (
        (["report", "--json"], "no run at all is in "),
        (["report", "20200101-000000-0000", "--json"], "no run '20200101-000000-0000'"),
    ):
        code = main(arguments)

        shown = capsys.readouterr()
        assert code == 2
        assert reported in shown.err
        assert reported in json.loads(shown.out)["error"][0]


def test_a_scripts_own_crew_is_done_when_its_kickoff_is(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crew = build_crew(load_settings(config))
    main(["report"])
    before = capsys.readouterr().out

    crew.kickoff(inputs={"request": "Add pages", "repositories": "", "images": ""})
    main(["report"])

    assert ": running; see" in before
    assert ": done; see" in capsys.readouterr().out


# Status and check.


def test_status_tells_how_full_each_limit_is(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(config, server.url, limits=["10 requests/hour"])
    main(["run", "Add pages"])
    capsys.readouterr()

    assert main(["status", "--json"]) == 0
    reported = json.loads(capsys.readouterr().out)
    assert main(["status"]) == 0
    shown = capsys.readouterr().out

    (pool,) = [pool for pool in reported["pools"] if pool["limits"]]
    assert set(pool) >= {"name", "limits", "cooldown_until", "throttle"}
    (limit,) = pool["limits"]
    assert set(limit) >= {"limit", "used", "reserved", "left", "resets_at"}
    assert (limit["used"], limit["reserved"], limit["left"]) == (3, 0, 7)
    assert "10 requests/hour" in shown


def test_check_tells_which_keys_are_set(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check"]) == 0
    with_key = capsys.readouterr().out
    monkeypatch.delenv(KEY)
    assert main(["check"]) == 0
    without = capsys.readouterr().out

    assert "key set" in with_key
    assert "rehears" not in with_key
    assert f"no key: {KEY} is not set" in without
    assert "rehearsals" in without


def test_check_online_tells_what_each_provider_says(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    server.pages["/v1/models"] = 200, {"data": [{"id": "smith"}, {"id": "scribes"}]}

    assert main(["check", "--online"]) == 0

    reported = capsys.readouterr().out.splitlines()
    said = {line.split()[0]: line.partition("asked: ")[2] for line in reported}
    assert said["smith"] == "it has this model"
    assert said["scribe"] == (
        "it DOES NOT LIST this model, perhaps openai/scribes instead"
    )
    assert server.requests == []


def test_check_online_calls_a_gateway_that_lists_nothing_and_counts_it(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(config, server.url, limits=["1 requests/hour"])

    assert main(["check", "--online"]) == 0
    first = capsys.readouterr().out
    assert main(["check", "--online"]) == 0
    again = capsys.readouterr().out
    main(["status"])
    status = capsys.readouterr().out

    assert "thinker was called, and answers" in first
    assert "it was not called: thinker: 1 requests/hour (provider:one); op" in again
    assert len(server.requests) == 1
    assert "1 requests/hour" in status
    assert SECRET not in first + again


def test_check_shows_nothing_that_a_terminal_would_obey(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    server.pages["/v1/models"] = 200, {"data": [{"id": "smith\x1b[2J"}]}

    assert main(["check", "--online"]) == 0

    reported = capsys.readouterr().out
    assert "perhaps openai/smith\\x1b[2J instead" in reported
    assert "\x1b" not in reported


def test_check_warns_of_a_role_that_nobody_can_serve(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agents = config / "agents.yaml"
    looking = "tier: coder, tools: [look_at_image]"
    agents.write_text(agents.read_text().replace("tier: coder", looking))

    assert main(["check"]) == 0

    reported = capsys.readouterr().out
    assert (
        "WARNING: coder (low, tier coder): no deployment with a key can see images; "
        "name one that can in tiers.yaml"
    ) in reported


def test_check_online_imports_neither_crewai_nor_litellm(
    config: Path, server: Scripted
) -> None:
    script = (
        "import sys; from crew.cli import main; code = main(['check', '--online']); "
        "print(code, [m for m in ('crewai', 'litellm') if m in sys.modules])"
    )

    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert "was called, and answers" in printed.stdout
    assert printed.stdout.splitlines()[-1] == "0 []"


def test_check_refuses_what_a_run_would(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = config / "inputs.yaml"
    given.write_text(
        "request: Add pages\nrepositories:\n  - .\n  - ~/gone\nimages: [gone.png]\n"
    )
    tasks = config / "tasks.yaml"
    tasks.write_text(tasks.read_text().replace("{request}", "{request} in {style}"))

    reported = []
    for arguments in (["check"], ["run"]):
        assert main(arguments) == 2
        reported.append(capsys.readouterr().err)

    assert reported[0] == reported[1]
    assert "config/inputs.yaml:4: repositories[1]: " in reported[0]
    assert f"{Path.home()}/gone" in reported[0]
    assert "config/inputs.yaml:5: images[0]: 'gone.png': no such file" in reported[0]
    assert "{style}" in reported[0]


def test_a_home_is_written_as_a_tilde(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    _repository(tmp_path / "shop")

    assert main(["run", "Add pages", "--repo", "~/shop"]) == 0
    assert list((tmp_path / "output").glob("2*/workspace/shop"))


def test_a_state_directory_that_cannot_be_written_is_one_line(
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CREW_STATE_DIR", str(tmp_path / "file" / "state"))

    for arguments in (["run", "Add pages"], ["status"], ["report"]):
        assert main(arguments) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"crew: {tmp_path / 'file' / 'state'}")
    assert not (tmp_path / "output").exists()


def test_without_a_key_the_run_is_a_rehearsal(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(KEY)

    code = main(["run", "Add pages", "--json"])

    shown = capsys.readouterr()
    assert code == 0
    assert json.loads(shown.out)["rehearsal"] is True
    assert shown.err.count("REHEARSAL") == 1
