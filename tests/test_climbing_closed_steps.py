"""A step of the ladder that is closed: waited for, or passed over."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from building import DEAR, deployment, provider, role, settings, with_goal
from crew import kickoff
from crew.clock import SystemClock
from crew.guard import QuotaGuard
from crew.journal import Journal
from crew.settings import Settings
from scripted import Reply, Scripted


@pytest.fixture
def made(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[float], Settings]:
    monkeypatch.chdir(tmp_path)

    def make(patience: float) -> Settings:
        by = {name: provider(name, base_url=server.url) for name in "sob"}
        tiers = {
            "senior": (["boss"], None),
            "middle": (["other"], "senior"),
            "mid": (["smith"], "middle"),
        }
        return settings(
            [
                deployment("smith", by["s"]),
                deployment("other", by["o"]),
                deployment("boss", by["b"], price=DEAR),
            ],
            tmp_path,
            tiers=tiers,
            roles=[role(kind="coding", patience=patience)],
            tasks=[with_goal()],
            process="sequential",
            max_wait=0.0,
            store_url=f"sqlite:///{tmp_path}/quota.db",
        )

    return make


def models(server: Scripted) -> list[str]:
    return [request["model"] for request in server.requests]


def steps(tmp_path: Path) -> list[tuple[str, str]]:
    with Journal.open(tmp_path / ".crew" / "journal.db", SystemClock()) as journal:
        rows = journal.attempts.of(journal.runs()[0].run)
    return [(row.step, row.deployment) for row in rows]


def bench(config: Settings, seconds: float) -> float:
    """Close the step in the middle for so long; returns until when."""
    guard = QuotaGuard.open(config)
    try:
        return guard.benches.put("other", seconds=seconds, reason="x").until
    finally:
        guard.close()


def test_a_step_that_opens_within_the_patience_is_waited_for(
    server: Scripted, made: Callable[[float], Settings], tmp_path: Path
) -> None:
    config, clock = made(30.0), SystemClock()
    seen: dict[str, float] = {}

    def brain(request: dict[str, Any]) -> Reply:
        if request["model"] == "smith" and server.hits("smith") == 2:
            seen["until"] = bench(config, 0.5)
        if request["model"] == "other":
            seen["served"] = clock.now()
            return "# Goal\nall"
        return "no"

    server.brain = brain

    assert kickoff(config=config, request="x").raw == "# Goal\nall"
    assert models(server) == ["smith", "smith", "other"]
    assert seen["served"] >= seen["until"]
    assert steps(tmp_path)[-1] == ("middle", "other")


def test_a_step_that_closes_meanwhile_is_passed_over(
    server: Scripted, made: Callable[[float], Settings], tmp_path: Path
) -> None:
    config = made(30.0)

    def brain(request: dict[str, Any]) -> Reply:
        if request["model"] == "smith" and server.hits("smith") == 2:
            bench(config, 3_600)
        return "# Goal\nall" if request["model"] == "boss" else "no"

    server.brain = brain

    assert kickoff(config=config, request="x").raw == "# Goal\nall"
    assert models(server) == ["smith", "smith", "boss"]
    assert steps(tmp_path)[-1] == ("senior", "boss")
