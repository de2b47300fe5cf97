"""An answer for which no deployment has room ends its attempt, and not the run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from building import deployment, provider, role, settings
from crew import kickoff
from crew.errors import TaskFailed
from crew.settings import LadderSpec, Settings, TaskSpec
from scripted import Scripted, tool_call

ENDLESS = {"role": "assistant", "content": "on and on", "finish_reason": "length"}
GOOD = tool_call("write_file", path="made.py", content="x = 1\n")


@pytest.fixture
def made(
    server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Settings]:
    monkeypatch.chdir(tmp_path)

    def make(**more: Any) -> Settings:
        by = provider("one", base_url=server.url)
        spec = TaskSpec(
            name="code", description="{request}", expected_output="a", agent="coder"
        )
        return settings(
            [deployment(name, by, **more) for name in ("small", "large")],
            tmp_path,
            tiers={"senior": (["large"], None), "mid": (["small"], "senior")},
            roles=[role(tools=("read_file", "write_file"), kind="coding")],
            tasks=[spec],
            process="sequential",
            max_wait=0.0,
            store_url=f"sqlite:///{tmp_path}/quota.db",
            ladder=LadderSpec(retries=0),
        )

    return make


def test_a_model_that_writes_on_and_on_leaves_the_work_to_the_next_step(
    server: Scripted, made: Callable[..., Settings]
) -> None:
    server.replies = {"small": [ENDLESS], "large": [ENDLESS, GOOD, "It is made."]}

    result = kickoff(request="Make made.py", config=made())

    assert result.raw == "It is made."
    assert "cut off" in str(server.requests[-2]["messages"])


def test_where_every_step_is_cut_off_the_task_has_failed_and_says_why(
    server: Scripted, made: Callable[..., Settings]
) -> None:
    server.replies = {"small": [ENDLESS], "large": [ENDLESS]}

    with pytest.raises(TaskFailed, match=r"cut off after .* raise `max_output`"):
        kickoff(request="Make made.py", config=made())
