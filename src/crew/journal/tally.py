"""Calls as sums: of one run, and of all that were added since a row."""

from collections.abc import Sequence
from dataclasses import dataclass

from crew.sqlite_file import Database

_COUNTS = """
COUNT(*) AS calls, SUM(outcome != 'ok') AS failed,
SUM(input_tokens) AS input_tokens, SUM(output_tokens) AS output_tokens,
SUM(cached_tokens) AS cached_tokens, SUM(seconds) AS seconds,
SUM(CAST(COALESCE(cost_usd, 0) AS REAL)) AS usd, SUM(cost_usd IS NULL) AS unknown_costs,
SUM(CASE WHEN outcome = 'ok' THEN CAST(COALESCE(senior_usd, 0) AS REAL) ELSE 0 END)
    AS senior_usd, SUM(outcome = 'ok' AND senior_usd IS NULL) AS unknown_seniors
"""
# The latest row of a group speaks for it: SQLite takes bare columns from the row that
# MAX chose.
_OF_RUN = f"""
SELECT task, role, deployment, MAX(id) AS last, reason, {_COUNTS}
FROM call WHERE run = ? GROUP BY task, role, deployment ORDER BY last
"""
_SINCE = f"""
SELECT provider, deployment, role, outcome, MIN(id) AS first, MAX(id) AS last,
    MAX(at) AS at, {_COUNTS}
FROM call WHERE id > ? AND id <= ?
AND +run IN (SELECT run FROM run WHERE NOT rehearsal)
GROUP BY provider, deployment, role, outcome ORDER BY MIN(id)
"""
_LAST = "SELECT COALESCE(MAX(id), 0) FROM call"
_FAILS_SINCE = """
SELECT MIN(at) FROM call WHERE id > ? AND provider = ? AND outcome = ?
AND +run IN (SELECT run FROM run WHERE NOT rehearsal)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What calls took. `failed` of them got no answer. Money is in US dollars: `usd`
    leaves calls of unknown cost out, which `unknown_costs` counts; `senior_usd` is
    what the answers would have cost on the senior tier, without `unknown_seniors`."""

    calls: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0
    usd: float = 0.0
    unknown_costs: int = 0
    senior_usd: float = 0.0
    unknown_seniors: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            **{name: getattr(self, name) + getattr(other, name) for name in _NAMES}
        )


_NAMES = tuple(Sums.__dataclass_fields__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a role took of a deployment in a task; the task is None where the manager
    worked on none. `reason` is why this deployment served the latest of the calls."""

    task: str | None
    role: str
    deployment: str
    reason: str
    sums: Sums


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Calls that ended alike. `first` and `last` are rows, `at` is when the latest of
    them ended, in seconds since the epoch."""

    provider: str
    deployment: str
    role: str
    outcome: str
    first: int
    last: int
    at: float
    sums: Sums


def read_parts(db: Database, run: str) -> Sequence[Part]:
    """The calls of a run, in the order in which the parts ended. Raises
    StoreUnavailable."""
    return [
        Part(
            task=row["task"],
            role=row["role"],
            deployment=row["deployment"],
            reason=row["reason"],
            sums=Sums(**{name: row[name] for name in _NAMES}),
        )
        for row in db.run(_OF_RUN, (run,))
    ]


def read_tallies(db: Database, after: int) -> tuple[int, Sequence[Tally]]:
    """The calls after a row, and which row is the last now; rehearsals do not count.
    Raises StoreUnavailable."""
    (found,) = db.run(_LAST, ())
    last = int(found[0])
    rows = db.run(_SINCE, (after, last)) if last > after else []
    tallies = [
        Tally(
            **{name: row[name] for name in _KEYS},
            sums=Sums(**{name: row[name] for name in _NAMES}),
        )
        for row in rows
    ]
    return last, tallies


_KEYS = tuple(name for name in Tally.__dataclass_fields__ if name != "sums")


def fails_since(db: Database, provider: str, outcome: str, after: int) -> float | None:
    """When the first call after a row ended so, in seconds since the epoch; rehearsals
    do not count. Raises StoreUnavailable."""
    (row,) = db.run(_FAILS_SINCE, (after, provider, outcome))
    return None if row[0] is None else float(row[0])
