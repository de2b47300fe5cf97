"""The entry points that `crewai` calls: run, train, replay, test, run_with_trigger.

They are the `crew` command with the arguments that `crewai` gives.
"""

import json
import sys
from typing import Any, NoReturn

from crew.cli.app import main
from crew.cli.console import MISTAKEN
from crew.cli.crewai_commands import open_crew


def run() -> None:
    """`crewai run`: the crew on config/inputs.yaml."""
    sys.exit(main(["run"]))


def run_with_trigger() -> None:
    """`crewai triggers run`: the crew on a trigger's payload, a JSON text."""
    (text,) = _arguments("PAYLOAD")
    try:
        payload: Any = json.loads(text)
    except ValueError:
        _refuse("the payload is not JSON")
    asked = payload.get("request") if isinstance(payload, dict) else None
    sys.exit(main(["run", "--", str(asked or json.dumps(payload))]))


def train() -> None:
    """`crewai train -n N -f FILE`: train the crew on config/inputs.yaml."""
    count, file = _arguments("N", "FILE")
    with open_crew() as (crew, inputs):
        crew.train(n_iterations=_number(count), filename=file, inputs=inputs)


def replay() -> None:
    """`crewai replay -t TASK_ID`: start again from a task of the latest kickoff."""
    (task_id,) = _arguments("TASK_ID")
    with open_crew() as (crew, _):
        try:
            result = crew.replay(task_id=task_id)
        except ValueError as exc:  # no such task, or tasks.yaml is another one now
            _refuse(str(exc))
        print(result)


def test() -> None:
    """`crewai test -n N -m MODEL`: run the crew N times and have the results judged.

    The judge is the manager's tier; the model that `crewai` names is not used, as
    it would be called past the guard.
    """
    count, _ = _arguments("N", "MODEL")
    with open_crew() as (crew, inputs):
        judge: Any = crew.manager_agent or crew.agents[0]
        crew.test(n_iterations=_number(count), eval_llm=judge.llm, inputs=inputs)


def _arguments(*names: str) -> list[str]:
    given = sys.argv[1:]
    if len(given) != len(names):
        _refuse(f"give it {' '.join(names)}")
    return given


def _number(text: str) -> int:
    if not text.isdecimal():
        _refuse(f"{text!r} is not a number")
    return int(text)


def _refuse(message: str) -> NoReturn:
    print(f"crew: {message}", file=sys.stderr)
    sys.exit(MISTAKEN)
