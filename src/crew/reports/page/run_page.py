"""The page of one run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from crew.journal import AttemptRecord, CallRecord
from crew.progress.events import Event, Waiting
from crew.quota.store import PoolState
from crew.reports.document import call_document, status_document
from crew.reports.page.curves import spending
from crew.reports.page.rendering import rendered
from crew.reports.page.timeline import timeline
from crew.reports.report import RunReport
from crew.reports.why import Story

VERSION = 1
"""Of the JSON that a page embeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSources:
    """What the page of a run is made of.

    `document` is its record, as in run.json. `budget` is the limit of money of one
    run in US dollars. `pools` are how the limits stand now. `diffs` and the results
    are shown with `with_texts` alone. `commands` can be copied.
    """

    document: Mapping[str, Any]
    report: RunReport
    attempts: Sequence[AttemptRecord] = ()
    events: Sequence[Event] = ()
    budget: Decimal | None = None
    pools: Sequence[PoolState] = ()
    commands: Sequence[str] = ()
    diffs: Mapping[str, str] | None = None
    with_texts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What one role took of one deployment. `usd` is None where a cost is unknown."""

    role: str
    deployment: str
    calls: int
    failed: int
    input_tokens: int
    output_tokens: int
    usd: Decimal | None
    seconds: float


def run_page(sources: RunSources) -> str:
    """The run as one HTML page, without any file or request besides."""
    document, report = sources.document, sources.report
    stories = _stories(document, sources.attempts)
    return rendered(
        "run.html",
        _data(sources),
        run=document,
        report=report,
        stories=stories,
        timeline=timeline(report.log, sources.events),
        chart=spending(report.log, sources.budget),
        budget=sources.budget,
        served=served(report.log),
        hit=_limits_hit(report, sources.events),
        at_end=document.get("limits", ()),
        pools=status_document(sources.pools)["pools"],
        commands=sources.commands,
        diffs=(sources.diffs or {}) if sources.with_texts else {},
        with_texts=sources.with_texts,
    )


def served(calls: Sequence[CallRecord]) -> list[Served]:
    """Role by deployment, in the order in which they first appear."""
    rows = []
    for role, deployment in dict.fromkeys((one.role, one.deployment) for one in calls):
        own = [one for one in calls if (one.role, one.deployment) == (role, deployment)]
        costs = [one.cost_usd for one in own]
        known = [cost for cost in costs if cost is not None]
        rows.append(
            Served(
                role=role,
                deployment=deployment,
                calls=len(own),
                failed=sum(not one.ok for one in own),
                input_tokens=sum(one.input_tokens for one in own),
                output_tokens=sum(one.output_tokens for one in own),
                usd=sum(known, Decimal(0)) if len(known) == len(costs) else None,
                seconds=sum(one.seconds for one in own),
            )
        )
    return rows


def _stories(
    document: Mapping[str, Any], attempts: Sequence[AttemptRecord]
) -> dict[str, Story]:
    """The attempts at each task."""
    return {
        task["name"]: Story(
            run=document["run"],
            task=task["name"],
            status=task["status"],
            attempts=[one for one in attempts if one.task == task["name"]],
        )
        for task in document["tasks"]
    }


def _limits_hit(
    report: RunReport, events: Sequence[Event]
) -> list[tuple[float, str, str, str, str]]:
    """When, who, which limit or failure moved him, when that opened again as far as
    somebody knew, and whether he waited."""
    opens = {
        (call.role, call.swapped_from, call.deployment, why): until
        for call in report.log
        for _, _, reason in [call.reason.partition(": ")]
        for why, _, until in [reason.partition("; opens ")]
    }
    rows = [
        (
            swap.at,
            swap.role,
            swap.reason,
            opens.get(
                (swap.role, swap.from_deployment, swap.to_deployment, swap.reason), ""
            ),
            f"swap to {swap.to_deployment}, {swap.count} call{'s' * (swap.count != 1)}",
        )
        for swap in report.swaps
    ]
    for event in events:
        if isinstance(event, Waiting):
            at, who = event.at.timestamp(), event.role or ""
            until = event.until.astimezone().strftime("%H:%M:%S")
            rows.append((at, who, event.reason, until, "waited"))
    return sorted(rows)


def _data(sources: RunSources) -> dict[str, object]:
    """What the page embeds for scripts: the record without its texts, and each call
    with the moment at which it ended."""
    document = {**sources.document}
    tasks = document["tasks"]
    if not sources.with_texts:
        document["result"] = None
        tasks = [{**task, "result": None} for task in tasks]
    calls = [call_document(one) | {"at": one.at} for one in sources.report.log]
    return {"version": VERSION, **document, "tasks": tasks, "calls": calls}
