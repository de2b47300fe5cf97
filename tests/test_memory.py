"""A long run holds no more memory than a short one: what a call leaves is let go."""

import gc
from pathlib import Path

import pytest
from crewai.events.base_events import BaseEvent

from configured import KEY, SECRET, configure
from crew import load_settings
from crew.runs.lifecycle import execute
from crew.settings import Inputs
from scripted import serving, tool_call

ROUNDS = 12
"""Turns of each task; the events of each hold the whole conversation so far."""


def test_a_run_keeps_no_conversation_of_its_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY, SECRET)
    gc.collect()
    gc.freeze()  # what was there before is none of this run's
    held: list[int] = []
    count = 0

    def brain(request: dict[str, object]) -> object:
        nonlocal count
        count += 1
        if count % ROUNDS == 0:
            return "done"
        return tool_call("search_files", pattern=str(count))

    def notice(line: str) -> None:
        if line.endswith(" unproved"):
            gc.collect()
            held.append(sum(isinstance(one, BaseEvent) for one in gc.get_objects()))

    with serving() as server:
        server.brain = brain  # type: ignore[assignment]
        config = configure(tmp_path / "config", server.url)
        agents = config / "agents.yaml"
        text = agents.read_text()
        agents.write_text(
            text.replace("goal: work", "goal: work, tools: [search_files]")
        )
        outcome = execute(
            load_settings(config),
            Inputs(request="Add pages"),
            output=tmp_path / "output",
            listener=notice,
        )

    assert outcome.status == "done"
    assert len(outcome.report.log) == 3 * ROUNDS
    assert held[2] <= held[0] + ROUNDS, "each task leaves more than 50 events"
