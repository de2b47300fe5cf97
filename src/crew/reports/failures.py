"""What failed in a run, with the reason of each: tasks, calls, and the run itself."""

from collections.abc import Mapping, Sequence

from crew.journal import CallRecord, TaskRecord
from crew.reports.verdicts import FAILED, verdicts_of

DONE = frozenset(("done", "proved", "passed", "unproved"))
"""How a task ended whose result counts."""


def failures(
    tasks: Sequence[TaskRecord],
    verdicts: Mapping[str, object],
    calls: Sequence[CallRecord],
    error: str | None,
) -> list[dict[str, object]]:
    """One entry for each task that failed, for all calls that failed in the same way,
    and for the `error` that ended the run."""
    found = [_task(task, verdicts.get(task.name, ())) for task in tasks if _fails(task)]
    found += _calls(calls)
    if error is not None:
        found.append(_entry(what="run", reason=error))
    return found


def _fails(task: TaskRecord) -> bool:
    return task.status not in DONE


def _task(task: TaskRecord, gates: object) -> dict[str, object]:
    reasons = [
        f"{found.gate}: {found.reason}"
        for found in verdicts_of(gates)
        if found.verdict == FAILED
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
