"""What failed in a run, with the reason of each: tasks, calls, and the run itself."""

from collections.abc import Mapping, Sequence

from crew.journal import CallRecord, TaskRecord

DONE = frozenset(("done", "proved", "passed", "unproved"))
"""How a task ended whose result counts."""
PASSED = "passed"
NOTHING = "nothing to look at"


def failures(
    tasks: Sequence[TaskRecord],
    verdicts: Mapping[str, Mapping[str, object]],
    calls: Sequence[CallRecord],
    error: str | None,
) -> list[dict[str, object]]:
    """One entry for each task that failed, for all calls that failed in the same way,
    and for the `error` that ended the run."""
    found = [_task(task, verdicts.get(task.name, {})) for task in tasks if _fails(task)]
    found += _calls(calls)
    if error is not None:
        found.append(_entry(what="run", reason=error))
    return found


def objection(verdict: object) -> str | None:
    """What a gate has against a result; None where it passed, or saw nothing."""
    text = found_of(verdict)
    return None if text == PASSED or text.startswith(NOTHING) else text


def found_of(verdict: object) -> str:
    """What a gate found: a verdict is a text, or a document with it as `found`."""
    found = verdict.get("found", "") if isinstance(verdict, Mapping) else verdict
    return str(found)


def _fails(task: TaskRecord) -> bool:
    return task.status not in DONE


def _task(task: TaskRecord, verdicts: Mapping[str, object]) -> dict[str, object]:
    reasons = [
        f"{gate}: {text}"
        for gate, found in verdicts.items()
        if (text := objection(found)) is not None
    ]
    return _entry(
        what="task",
        task=task.name,
        role=task.agent or None,
        reason="; ".join(reasons) or task.status,
    )


def _calls(calls: Sequence[CallRecord]) -> list[dict[str, object]]:
    counted: dict[tuple[str | None, str, str, str, str], int] = {}
    for call in calls:
        if not call.ok:
            key = (call.task, call.role, call.deployment, call.outcome, call.detail)
            counted[key] = counted.get(key, 0) + 1
    return [
        _entry(
            what="call",
            task=task,
            role=role,
            deployment=deployment,
            reason=f"{outcome}: {detail}" if detail else outcome,
            count=count,
        )
        for (task, role, deployment, outcome, detail), count in counted.items()
    ]


def _entry(
    *,
    what: str,
    reason: str,
    task: str | None = None,
    role: str | None = None,
    deployment: str | None = None,
    count: int = 1,
) -> dict[str, object]:
    return {
        "what": what,
        "task": task,
        "role": role,
        "deployment": deployment,
        "reason": reason,
        "count": count,
    }
