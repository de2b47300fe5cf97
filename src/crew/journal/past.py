"""What earlier runs took: for an estimate of the next one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from crew.sqlite_file import Database

LATEST = 500
"""How many of the latest runs are looked through."""
MOST = 100
"""How many of those that fit are read."""
_ATTEMPTS = 5_000
_RUNS = (
    "SELECT run FROM run WHERE NOT rehearsal AND status = 'done' "
    "ORDER BY rowid DESC LIMIT ?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What calls took. `usd` is None when the price of one is unknown."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = 0.0
    seconds: float = 0.0

    def __add__(self, other: "Taken") -> "Taken":
        known = self.usd is not None and other.usd is not None
        return Taken(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            usd=(self.usd or 0.0) + (other.usd or 0.0) if known else None,
            seconds=self.seconds + other.seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """A run that was done: what each role took, and for how many seconds it worked."""

    run: str
    seconds: float
    roles: Mapping[str, Taken] = field(default_factory=dict)


def past_runs(db: Database, tasks: Collection[str]) -> list[PastRun]:
    """The latest runs that did just these tasks; rehearsals do not count. Raises
    StoreUnavailable."""
    done: dict[str, set[str]] = {}
    rows = db.run(f"SELECT run, name FROM task WHERE run IN ({_RUNS})", (LATEST,))
    for run, name in rows:
        done.setdefault(run, set()).add(name)
    # Ids sort by time.
    fit = sorted((run for run, names in done.items() if names == set(tasks)))[-MOST:]
    return _read(db, fit) if fit else []


def _read(db: Database, runs: Sequence[str]) -> list[PastRun]:
    marks = ",".join("?" * len(runs))
    roles: dict[str, dict[str, Taken]] = {run: {} for run in runs}
    rows = db.run(
        f"SELECT run, role, {_SUMS}, SUM(seconds) FROM call "
        f"WHERE run IN ({marks}) GROUP BY run, role",
        runs,
    )
    for run, role, *sums in rows:
        roles[run][role] = _taken(*sums)
    rows = db.run(
        "SELECT run.run, finished_at - started_at, (SELECT SUM(seconds) FROM attempt "
        f"WHERE attempt.run = run.run) FROM run WHERE run.run IN ({marks})",
        runs,
    )
    # A run that was resumed lay still in between: its attempts did not.
    seconds = {run: worked or whole or 0.0 for run, whole, worked in rows}
    return [
        PastRun(run=run, seconds=seconds[run], roles=roles[run])
        for run in runs
        if roles[run]
    ]


_SUMS = (
    "COUNT(*), SUM(input_tokens), SUM(output_tokens), "
    "SUM(CAST(cost_usd AS REAL)), SUM(cost_usd IS NULL)"
)


def past_tasks(db: Database) -> dict[tuple[str | None, str], list[Taken]]:
    """What the latest tasks took with all their attempts, by kind and complexity;
    rehearsals do not count. Raises StoreUnavailable."""
    rows = db.run(
        "SELECT kind, complexity, SUM(calls), SUM(input_tokens), SUM(output_tokens), "
        "SUM(CAST(cost_usd AS REAL)), SUM(cost_usd IS NULL), SUM(seconds) FROM ("
        "SELECT * FROM attempt WHERE run IN (SELECT run FROM run WHERE NOT rehearsal) "
        "ORDER BY id DESC LIMIT ?) GROUP BY run, task",
        (_ATTEMPTS,),
    )
    found: dict[tuple[str | None, str], list[Taken]] = {}
    for kind, complexity, *sums in rows:
        found.setdefault((kind, complexity), []).append(_taken(*sums))
    return found


def _taken(
    calls: int, sent: int, written: int, usd: float | None, unknown: int, seconds: float
) -> Taken:
    return Taken(
        calls=calls,
        input_tokens=sent,
        output_tokens=written,
        usd=None if unknown else usd or 0.0,
        seconds=seconds,
    )
