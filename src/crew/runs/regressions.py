"""Deployments that got worse: found after each attempt, reported, benched by choice."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crew.alerts import Alert
from crew.errors import StoreUnavailable
from crew.journal import Journal, RegressionRecord, RegressionTable
from crew.regression import (
    SIGNALS,
    Outcome,
    Signal,
    change_text,
    error_outcomes,
    find,
    speeds,
)
from crew.regression.detector import has_recovered

if TYPE_CHECKING:
    from crew.calls.run import Run

ALERT = "regression"
"""The kind of the alerts."""
LASTS = 7 * 86_400.0
"""Seconds after which a regression is no news any more."""


def look(run: "Run", deployments: Iterable[str], kind: str | None) -> None:
    """See whether one of these deployments got worse at this kind of work, or well
    again; reports it, and benches it where tiers.yaml says so."""
    settings = run.settings
    if settings.rehearsal or not settings.regression.watch:
        return
    try:
        standing = run.journal.regressions.standing()
        for deployment in dict.fromkeys(deployments):
            bench_end = run.guard.benches.end(deployment)
            for signal in SIGNALS:
                known = [
                    one
                    for one in standing
                    if (one.deployment, one.kind, one.signal)
                    == (deployment, kind, signal)
                ]
                since = run.journal.regressions.begins(
                    deployment, kind, signal, bench_end=bench_end
                )
                _look(run, deployment, kind, signal, known, since)
    except StoreUnavailable as exc:
        run.guard.listener(f"WARNING: {exc}; regressions are not looked for")


def _look(
    run: "Run",
    deployment: str,
    kind: str | None,
    signal: Signal,
    standing: Sequence[RegressionRecord],
    since: float,
) -> None:
    table, now = run.journal.regressions, run.clock.now()
    outcomes = outcomes_of(table, deployment, kind, signal, since)
    for one in standing:
        if one.at < since <= now:
            _end(run, one, "its bench ended")
        elif has_recovered(outcomes, one.before):
            _end(run, one, "it is as good as before")
        elif now - one.at > LASTS:
            _end(run, one, "7 days passed")
    if standing or since > now:  # it was said, or the deployment is benched
        return
    change = find(outcomes)
    if change is None:
        return
    text = change_text(deployment, kind, signal, change, now)
    found = table.add(
        RegressionRecord(
            id=0,
            at=now,
            deployment=deployment,
            kind=kind,
            signal=signal,
            text=text,
            before=change.before,
            after=change.after,
            began_at=change.began_at,
            outcomes=change.outcomes,
        )
    )
    if found is not None:
        _report(run, found, _consequence(run, found))


def outcomes_of(
    table: RegressionTable,
    deployment: str,
    kind: str | None,
    signal: Signal,
    since: float,
) -> list[Outcome]:
    """The outcomes in which a change is looked for, oldest first."""
    match signal:
        case Signal.GATES:
            return table.gates(deployment, kind, since)
        case Signal.ERRORS:
            return error_outcomes(table.served(deployment, kind, since))
        case Signal.LATENCY:
            return speeds(table.served(deployment, kind, since))


def _consequence(run: "Run", found: RegressionRecord) -> str:
    """Bench the deployment where tiers.yaml says so; returns what was done."""
    seconds = run.settings.regression.bench
    if seconds is None:
        return f"see docs/quality.md, or: crew bench {found.deployment}"
    made = run.guard.benches.put_unless_last(
        found.deployment, seconds=seconds, reason=found.text
    )
    if isinstance(made, str):
        return f"not benched: nothing else is open in {made}"
    run.journal.regressions.benched(
        found.deployment, made.until, found.text, run.clock.now()
    )
    until = datetime.fromtimestamp(made.until, UTC)
    return (
        f"benched until {until:%Y-%m-%d %H:%M UTC}; "
        f"crew bench --lift {found.deployment}"
    )


def _report(run: "Run", found: RegressionRecord, consequence: str) -> None:
    run.guard.alert(
        Alert(
            kind=ALERT,
            key=found.key,
            text=f"{found.text}; {consequence}",
            at=found.at,
            until=found.at + LASTS,
        )
    )


def _end(run: "Run", found: RegressionRecord, why: str) -> None:
    if run.journal.regressions.end(found, why, run.clock.now()):
        if run.alerts is not None:
            run.alerts.end(found.key)
        run.guard.listener(f"{found.text}: over, {why}")


def standing_regressions(journal: Journal, now: float) -> list[RegressionRecord]:
    """Those that stand, by the journal, for who runs nothing. Raises
    StoreUnavailable."""
    table = journal.regressions
    return [
        one
        for one in table.standing()
        if now - one.at <= LASTS
        and not one.at < table.begins(one.deployment, one.kind, one.signal) <= now
    ]
