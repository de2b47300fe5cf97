"""A run that a budget pauses: exit 75, `crew approve`, and it goes on where it was."""

import json
from pathlib import Path

import pytest

from configured import configure
from crew.cli import main
from scripted import Scripted


def pausing(config: Path, server: Scripted, budget: str) -> None:
    configure(config, server.url, tiers=f"max_wait: 0s\nbudgets: [{budget}]")


def test_a_paused_run_goes_on_with_what_was_approved(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    pausing(config, server, "{limit: 0.00175 usd/run, then: ask}")
    assert main(["run", "Add pages", "--json"]) == 75
    paused = capsys.readouterr()
    run = json.loads(paused.out)["run"]
    done = [one["name"] for one in json.loads(paused.out)["tasks"]]
    before = len(server.requests)

    refused = main(["run", "--resume", run, "--json"])
    capsys.readouterr()
    unchanged = len(server.requests)
    approved = main(["approve", run, "--more", "1 usd"])
    hint = capsys.readouterr().out
    code = main(["run", "--resume", run, "--json"])

    again = json.loads(capsys.readouterr().out)
    assert f"crew approve {run} --more" in paused.err
    assert (refused, unchanged) == (75, before)
    assert approved == 0
    assert f"crew run --resume {run}" in hint
    assert (code, again["run"], again["status"]) == (0, run, "done")
    assert done == ["design"]
    assert [one["model"] for one in server.requests[before:]] == ["smith", "scribe"]


def test_too_little_more_pauses_the_run_again(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    pausing(config, server, "{limit: 0.00175 usd/run, then: ask}")
    assert main(["run", "Add pages", "--json"]) == 75
    run = json.loads(capsys.readouterr().out)["run"]
    before = len(server.requests)

    assert main(["approve", run, "--more", "0.000001 usd"]) == 0
    assert main(["run", "--resume", run]) == 75
    assert len(server.requests) == before


def test_what_stops_a_run_is_not_approved_away(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    pausing(config, server, "{limit: 0.00175 usd/run, then: stop}")
    assert main(["run", "Add pages", "--json"]) == 75
    run = json.loads(capsys.readouterr().out)["run"]

    assert main(["approve", run, "--more", "1 usd"]) == 0
    assert main(["run", "--resume", run]) == 75
