"""Documents: the record of a run, and how the limits stand, as JSON."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from math import ceil

from crew.errors import Closed
from crew.journal import CallRecord, RunRecord, TaskRecord
from crew.quota.limits import NANO, Limit, Metric
from crew.quota.store import LimitState, PlanState, PoolState
from crew.reports.about import About
from crew.reports.failures import failures
from crew.reports.report import RunReport

_UNKNOWN = About()
_MOST = 100
"""Limits that a run keeps of its end."""


def run_document(
    report: RunReport,
    record: RunRecord,
    tasks: Sequence[TaskRecord],
    results: Mapping[str, str],
    result: str | None,
    workspace: Mapping[str, object] | str | None,
    *,
    error: str | None = None,
    closed: Sequence[Closed] = (),
    verdicts: Mapping[str, Sequence[Mapping[str, str]]] = {},
    kept: Mapping[str, str] = {},
    about: About = _UNKNOWN,
    pools: Sequence[PoolState] = (),
) -> dict[str, object]:
    """The record of a run as a JSON document; docs/run-json.md describes it.

    `results` are the tasks' results by name, `verdicts` what their gates found, `kept`
    the files with the texts of those that are not done. `workspace` goes in as it is,
    `error` of a run that is not done, `closed` of one that is closed. `pools` are how
    the limits stood at its end.
    """
    return {
        **_beginning(record, about),
        "result": result,
        "workspace": workspace,
        "tasks": _task_documents(report, tasks, results, verdicts, kept),
        "failures": failures(
            tasks, verdicts, report.log, error if record.status != "done" else None
        ),
        "calls": [call_document(call) for call in report.log],
        "cost_usd": _dollars(report.cost),
        "cost_all_senior_usd": _dollars(report.cost_all_senior),
        "cached_tokens": report.cached_tokens,
        "cache_write_tokens": report.cache_write_tokens,
        "cache_saved_usd": _dollars(report.cache_saved),
        "limits": _limits_at_end(pools),
        **_why_not_done(record, error, closed),
    }


def _why_not_done(
    record: RunRecord, error: str | None, closed: Sequence[Closed]
) -> dict[str, object]:
    found: dict[str, object] = {}
    if error is not None and record.status != "done":
        found["error"] = error
    if record.status == "closed":
        found["closed"] = [_closed_document(entry) for entry in closed]
    return found


def _limits_at_end(pools: Sequence[PoolState]) -> list[dict[str, object]]:
    """The limits that anything was taken of, the fullest first."""
    used = [
        (state.left / max(1, state.limit.amount), pool.name, state)
        for pool in pools
        for state in pool.limits
        if state.used or state.reserved
    ]
    used.sort(key=lambda one: one[:2])
    return [{"pool": name, **_limit_document(state)} for _, name, state in used[:_MOST]]


def _beginning(record: RunRecord, about: About) -> dict[str, object]:
    """What was asked for, when, and what it was made with."""
    return {
        "run": record.run,
        "status": record.status,
        "rehearsal": record.rehearsal,
        "request": about.request,
        "started_at": iso_moment(record.started_at),
        "finished_at": iso_moment(record.finished_at),
        "seconds": None if about.seconds is None else round(about.seconds, 3),
        "versions": dict(about.versions),
        "config_hash": about.config_hash,
        "notices": list(about.notices),
    }


def _task_documents(
    report: RunReport,
    tasks: Sequence[TaskRecord],
    results: Mapping[str, str],
    verdicts: Mapping[str, Sequence[Mapping[str, str]]],
    kept: Mapping[str, str],
) -> list[dict[str, object]]:
    return [
        _task_document(task, results, report)
        | {"gates": list(verdicts.get(task.name, ())), "kept": kept.get(task.name)}
        for task in tasks
    ]


def _task_document(
    task: TaskRecord, results: Mapping[str, str], report: RunReport
) -> dict[str, object]:
    tried = [one for one in report.attempts if one.task == task.name]
    last = tried[-1] if tried else None
    answered = (call.role for call in report.log if call.task == task.name and call.ok)
    return {
        "name": task.name,
        "agent": task.agent,
        "status": task.status,
        "kind": last.kind if last else None,
        "complexity": last.complexity if last else None,
        "complexity_reason": (last.complexity_reason or None) if last else None,
        "result": results.get(task.name),
        # Who did the work: the answers of each role.
        "roles": dict(Counter(answered).most_common()),
    }


def _closed_document(entry: Closed) -> dict[str, object]:
    return {
        "deployment": entry.deployment,
        "limit": entry.limit,
        "opens_at": iso_next_second(entry.opens_at),
    }


def call_document(call: CallRecord) -> dict[str, object]:
    """One call as JSON."""
    return {
        "task": call.task,
        "role": call.role,
        "part": call.part or None,
        "deployment": call.deployment,
        "provider": call.provider,
        "input_tokens": call.input_tokens,
        "output_tokens": call.output_tokens,
        "cached_tokens": call.cached_tokens,
        "cache_write_tokens": call.cache_write_tokens,
        "cost_usd": _dollars(call.cost_usd),
        "seconds": round(call.seconds, 3),
        "outcome": call.outcome,
        "reason": call.reason,
    }


def status_document(
    pools: Sequence[PoolState], plans: Mapping[str, PlanState] = {}
) -> dict[str, object]:
    """How the pools stand and which plans hold, as a JSON document. Amounts of usd
    are dollars."""
    return {
        "pools": [
            {
                "name": pool.name,
                "limits": [_limit_document(state) for state in pool.limits],
                "cooldown_until": iso_next_second(pool.cooldown_until),
                "cooldown_reason": pool.cooldown_reason or None,
                "throttle": pool.throttle,
                "waiting": pool.waiting,
            }
            for pool in pools
        ],
        "plans": [
            {
                "provider": provider,
                "plan": state.plan,
                "reason": state.reason,
                "since": iso_next_second(state.at) if state.at else None,
            }
            for provider, state in plans.items()
        ],
    }


def _limit_document(state: LimitState) -> dict[str, object]:
    return {
        "limit": str(state.limit),
        "used": _amount(state.limit, state.used),
        "reserved": _amount(state.limit, state.reserved),
        "left": _amount(state.limit, state.left),
        "learned": None
        if state.learned is None
        else _amount(state.limit, state.learned),
        "resets_at": iso_next_second(state.resets_at),
    }


def _amount(limit: Limit, amount: int) -> int | float:
    return amount / NANO if limit.metric is Metric.USD else amount


def _dollars(amount: Decimal | None) -> float | None:
    return None if amount is None else float(round(amount, 9))


def iso_moment(moment: float | None) -> str | None:
    """A time for a document, in UTC."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def iso_next_second(moment: float | None) -> str | None:
    """The next whole second: nobody comes back too early."""
    if moment is None:
        return None
    return datetime.fromtimestamp(ceil(moment), UTC).isoformat()
