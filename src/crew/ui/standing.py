"""How things stand besides the runs: limits, money, queue, alerts, benches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

from crew.journal import Journal, Spent
from crew.reports.benches import bench_documents
from crew.reports.board import board_document
from crew.runs.alerting import open_alerts
from crew.runs.regressions import ALERT, standing_regressions
from crew.ui.sources import Sources


def limits(sources: Sources) -> dict[str, object]:
    """The limits, what is nearest to its end first, and what else holds calls back.
    Raises StoreUnavailable."""
    now = sources.board()
    return {
        "nearest": board_document(now)["nearest"],
        "holds": [asdict(one) for one in now.holds],
        "plans": [
            {"provider": provider, "plan": state.plan, "reason": state.reason}
            for provider, state in sources.guard().held_plans().items()
        ],
    }


def month(sources: Sources) -> dict[str, object]:
    """What was spent this month, day by day, and the budgets. Raises
    StoreUnavailable."""
    now = sources.board()
    document = board_document(now)["money"]
    assert isinstance(document, dict)
    document["month"] |= {"saved": now.month.saved}
    with sources.journal() as journal:
        days = () if journal is None else _days(journal, now.month_since, now.now)
        return document | {"days": list(days)}


def queue(sources: Sources, waits: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """The calls that wait: in the queues of the store, and roles that wait for a
    deployment. Raises StoreUnavailable."""
    now = sources.board()
    return {
        "waiting": [
            {"pool": one.pool, "waiting": one.waiting}
            for one in now.holds
            if one.waiting
        ],
        "waits": list(waits),
        "in_flight": now.in_flight,
    }


def notices(sources: Sources) -> dict[str, object]:
    """The alerts that are open, and the deployments that got worse, of which it is
    known when that ended. Raises StoreUnavailable."""
    shown = list[tuple[str, str, float]]()
    with sources.journal() as journal:
        if journal is not None:
            now = sources.clock.now()
            alerts = open_alerts(sources.settings, journal, now)
            shown = [(one.kind, one.text, one.raised_at) for one in alerts]
            worse = standing_regressions(journal, now)
            shown += [(ALERT, one.text, one.at) for one in worse]
    return {
        "alerts": [
            {"kind": kind, "text": text, "raised_at": at} for kind, text, at in shown
        ]
    }


def benches(sources: Sources) -> dict[str, object]:
    """The deployments that are out of use. Raises StoreUnavailable."""
    return {"benches": bench_documents(sources.guard().benches.standing())}


def _days(journal: Journal, since: float, now: float) -> Iterator[dict[str, object]]:
    """The days since then, where the user is."""
    begin = datetime.fromtimestamp(since).astimezone()
    while begin.timestamp() <= now:
        # By the calendar: the day of a change to summer time is an hour shorter.
        following = begin.replace(tzinfo=None) + timedelta(days=1)
        end = following.astimezone()
        spent = journal.spent_between(begin.timestamp(), end.timestamp())
        yield _day(f"{begin:%Y-%m-%d}", spent)
        begin = end


def _day(day: str, spent: Spent) -> dict[str, object]:
    return {
        "day": day,
        "calls": spent.calls,
        "free_calls": spent.free_calls,
        "usd": float(spent.usd),
        "unknown_costs": spent.unknown_costs,
        "cost_all_senior_usd": (
            None if spent.senior_usd is None else float(spent.senior_usd)
        ),
    }
