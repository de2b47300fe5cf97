"""A step of the ladder that is closed: waited for, or passed over."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from building import DEAR, deployment, provider, role, settings, with_goal
from crew import kickoff
from crew.clock import SystemClock
from crew.errors import QuotaExceeded, TaskFailed
from crew.guard import QuotaGuard
from crew.guard.openings import seconds_until_open
from crew.journal import Journal
from crew.quota.limit_syntax import parse_limit
from crew.routing import Request
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


def bench(config: Settings, seconds: float, name: str = "other") -> float:
    """Close a deployment, that of the step in the middle, for so long; returns until
    when."""
    guard = QuotaGuard.open(config)
    try:
        return guard.benches.put(name, seconds=seconds, reason="x").until
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


def test_where_all_steps_above_are_closed_the_run_can_be_resumed(
    server: Scripted, made: Callable[[float], Settings], tmp_path: Path
) -> None:
    """The model below, which failed, does not take their place."""
    config = made(0.0)

    def brain(request: dict[str, Any]) -> Reply:
        if request["model"] == "smith" and server.hits("smith") == 2:
            bench(config, 3_600)
            bench(config, 3_600, "boss")
        return "# Goal\nall" if request["model"] == "other" else "no"

    server.brain = brain
    with pytest.raises(QuotaExceeded) as caught:
        kickoff(config=config, request="x")
    closed = {one.deployment: one for one in caught.value.closed}
    assert models(server) == ["smith", "smith"]
    assert closed["smith"].limit == "it failed this task before"
    assert closed["other"].opens_at is not None
    (run,) = [path.name for path in tmp_path.glob("output/2*")]
    (tmp_path / "quota.db").unlink()  # the benches are over

    assert kickoff(config=config, resume=run).raw == "# Goal\nall"
    assert models(server) == ["smith", "smith", "other"]
    assert steps(tmp_path)[-1] == ("middle", "other")


def test_a_step_that_closes_in_its_attempt_is_served_from_above(
    server: Scripted, made: Callable[[float], Settings]
) -> None:
    server.replies = {"smith": ["no"], "other": ["429"], "boss": ["# Goal\nall"]}

    assert kickoff(config=made(0.0), request="x").raw == "# Goal\nall"
    assert models(server) == ["smith", "smith", "other", "boss"]


def test_steps_that_never_open_end_the_ladder(
    server: Scripted, made: Callable[[float], Settings]
) -> None:
    config = made(0.0)
    gone = {
        name: replace(one, provider=replace(one.provider, api_key=None))
        for name, one in config.deployments.items()
        if name != "smith"
    }
    config = replace(config, deployments={**config.deployments, **gone})
    server.replies = {"smith": ["no"]}

    with pytest.raises(TaskFailed, match="there is no further step"):
        kickoff(config=config, request="x")


def test_a_place_among_concurrent_calls_is_waited_for(
    server: Scripted, made: Callable[[float], Settings]
) -> None:
    """Whatever the patience: it comes free when another call ends."""
    config = made(0.0)
    other = config.deployments["other"]
    busy = replace(other.provider, limits=(parse_limit("1 concurrent"),))
    deployments = {**config.deployments, "other": replace(other, provider=busy)}
    providers = {**config.providers, busy.name: busy}
    config = replace(config, deployments=deployments, providers=providers)
    guard = QuotaGuard.open(config)
    with guard.lease(tier="middle", input_tokens=1, output_tokens=1) as lease:
        request = Request(tier="", input_tokens=0, output_tokens=0)
        assert seconds_until_open(guard, ["other"], request) == 0
        lease.settle(input_tokens=1, output_tokens=1)
    guard.close()
