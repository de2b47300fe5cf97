"""The entry points that `crewai` calls: run, train, replay, test, run_with_trigger.

They are the `crew` command with the arguments that `crewai` gives.
"""

import json
import sys
from typing import Any

from crew.cli import main, open_crew


def run() -> None:
    """`crewai run`: the crew on config/inputs.yaml."""
    sys.exit(main(["run"]))


def run_with_trigger() -> None:
    """`crewai triggers run`: the crew on a trigger's payload, a JSON text."""
    try:
        payload: dict[str, Any] = json.loads(sys.argv[1])
    except (IndexError, ValueError):
        print("run_with_trigger: give the payload as JSON", file=sys.stderr)
        sys.exit(2)
    request = payload.get("request") or json.dumps(payload)
    sys.exit(main(["run", str(request)]))


def train() -> None:
    """`crewai train N FILE`: train the crew on config/inputs.yaml."""
    with open_crew() as (crew, inputs):
        crew.train(n_iterations=int(sys.argv[1]), filename=sys.argv[2], inputs=inputs)


def replay() -> None:
    """`crewai replay TASK_ID`: start again from a task of the latest kickoff."""
    with open_crew() as (crew, _):
        print(crew.replay(task_id=sys.argv[1]))


def test() -> None:
    """`crewai test N MODEL`: run the crew N times and have the results judged.

    The judge is the manager's tier; the model that `crewai` names is not used, as
    it would be called past the guard.
    """
    with open_crew() as (crew, inputs):
        judge: Any = crew.manager_agent or crew.agents[0]
        crew.test(n_iterations=int(sys.argv[1]), eval_llm=judge.llm, inputs=inputs)
