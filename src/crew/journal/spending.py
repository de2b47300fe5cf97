"""What was spent: sums for each quarter of an hour, kept beside the calls.

No offset of a time zone is finer than a quarter of an hour, so that a day or a month
anywhere is a whole number of them, and its sum does not read the calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from crew.quota.limits import NANO, Usage
from crew.sqlite_file import Database

QUARTER = 900
RECENT_SECONDS = 3_600.0
RECENT_CALLS = 5_000
"""How many of the latest calls say how fast it goes now."""
_COUNTS = (
    "calls",
    "answers",
    "free_answers",
    "unknown_costs",
    "unknown_seniors",
    "nano_usd",
    "senior_nano_usd",
    "free_senior_nano_usd",
)


def _counted(row: str) -> tuple[str, ...]:
    """What a call adds to each of the counts."""
    ok = f"({row}outcome = 'ok')"
    free = f"({ok} AND {row}cost_usd IS NOT NULL AND CAST({row}cost_usd AS REAL) = 0)"
    senior = f"CAST(ROUND(COALESCE({row}senior_usd, 0) * 1e9) AS INTEGER)"
    return (
        "1",
        ok,
        free,
        f"({row}cost_usd IS NULL)",
        f"({ok} AND {row}senior_usd IS NULL)",
        f"CAST(ROUND(COALESCE({row}cost_usd, 0) * 1e9) AS INTEGER)",
        f"{ok} * {senior}",
        f"{free} * {senior}",
    )


_COLUMNS = ", ".join(f"{name} INTEGER NOT NULL" for name in _COUNTS)
_ZEROS = ", ".join("0" for _ in _COUNTS)
_MORE = ", ".join(
    f"{name} = {name} + {more}"
    for name, more in zip(_COUNTS, _counted("NEW."), strict=True)
)
_SUMS = ", ".join(f"SUM({more})" for more in _counted(""))
SPENDING = f"""
CREATE TABLE spending (
    quarter INTEGER NOT NULL, deployment TEXT NOT NULL, provider TEXT NOT NULL,
    {_COLUMNS}, PRIMARY KEY (quarter, deployment, provider)
) WITHOUT ROWID;
INSERT INTO spending
SELECT CAST(at / {QUARTER} AS INTEGER), deployment, provider, {_SUMS} FROM call
WHERE run IN (SELECT run FROM run WHERE NOT rehearsal) GROUP BY 1, 2, 3;
CREATE TRIGGER call_is_spent AFTER INSERT ON call
WHEN (SELECT NOT rehearsal FROM run WHERE run = NEW.run) BEGIN
    INSERT OR IGNORE INTO spending VALUES (
        CAST(NEW.at / {QUARTER} AS INTEGER), NEW.deployment, NEW.provider, {_ZEROS}
    );
    UPDATE spending SET {_MORE}
    WHERE quarter = CAST(NEW.at / {QUARTER} AS INTEGER)
        AND deployment = NEW.deployment AND provider = NEW.provider;
END;
"""
_SPENT = (
    f"SELECT {', '.join(f'COALESCE(SUM({name}), 0)' for name in _COUNTS)} "
    "FROM spending WHERE quarter >= ? AND quarter < ?"
)
_PROVIDERS = "SELECT provider, SUM(nano_usd) FROM spending GROUP BY provider"
_RECENT = f"""
SELECT deployment, role, COUNT(*), SUM(input_tokens), SUM(output_tokens),
    SUM(CAST(COALESCE(cost_usd, 0) AS REAL)), MIN(at)
FROM (
    SELECT * FROM call WHERE at > ? AND at <= ?
    AND EXISTS (SELECT 1 FROM run WHERE run.run = call.run AND NOT rehearsal)
    ORDER BY at DESC LIMIT {RECENT_CALLS}
) GROUP BY deployment, role
"""
_IN_FLIGHT = "SELECT run, COUNT(*) FROM open_call WHERE at > ? GROUP BY run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a stretch of time took; rehearsals do not count. Money is in US dollars.

    `usd` leaves calls of unknown cost out, and `unknown_costs` counts them.
    `senior_usd` is what the answers would have cost on the senior tier, None where
    that is unknown of one, and `free_senior_usd` that of the answers that cost nothing.
    """

    calls: int = 0
    answers: int = 0
    free_answers: int = 0
    unknown_costs: int = 0
    usd: Decimal = Decimal(0)
    senior_usd: Decimal | None = Decimal(0)
    free_senior_usd: Decimal = Decimal(0)

    @property
    def saved(self) -> float | None:
        """The share that was saved against the senior tier; None where nobody knows."""
        if not self.senior_usd:
            return None
        return float(1 - self.usd / self.senior_usd)

    @property
    def free_calls(self) -> float | None:
        """The share of the answers that cost nothing; None without an answer."""
        return self.free_answers / self.answers if self.answers else None

    @property
    def free_usd(self) -> float | None:
        """The same share, of what the answers would have cost on the senior tier."""
        return (
            float(self.free_senior_usd / self.senior_usd) if self.senior_usd else None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """What a role took of a deployment in the last hour. `since` is when the first of
    these calls ended, in seconds since the epoch."""

    deployment: str
    role: str
    usage: Usage
    since: float


def read_spent(db: Database, since: float, until: float) -> Spent:
    """What was spent from the quarter of an hour that holds `since` to that which ends
    before `until`. Raises StoreUnavailable."""
    (row,) = db.run(_SPENT, (since // QUARTER, -(-until // QUARTER)))
    calls, answers, free, unknown, unknown_seniors, *money = map(int, row)
    usd, senior, free_senior = (Decimal(one) / NANO for one in money)
    return Spent(
        calls=calls,
        answers=answers,
        free_answers=free,
        unknown_costs=unknown,
        usd=usd,
        senior_usd=None if unknown_seniors else senior,
        free_senior_usd=free_senior,
    )


def read_spent_at_providers(db: Database) -> dict[str, Decimal]:
    """US dollars that all runs spent at each provider. Raises StoreUnavailable."""
    return {name: Decimal(int(nano)) / NANO for name, nano in db.run(_PROVIDERS, ())}


def read_recent(db: Database, now: float) -> Sequence[Recent]:
    """What the last hour took, by deployment and role: by its latest calls, where it
    had very many. Raises StoreUnavailable."""
    return [
        Recent(
            deployment=deployment,
            role=role,
            usage=Usage(
                requests=calls,
                input_tokens=sent,
                output_tokens=written,
                usd=Decimal(str(usd)),
            ),
            since=since,
        )
        for deployment, role, calls, sent, written, usd, since in db.run(
            _RECENT, (now - RECENT_SECONDS, now)
        )
    ]


def read_in_flight(db: Database, now: float) -> dict[str, int]:
    """How many calls of each run left within the last hour and have not ended, as far
    as the runs could say. Raises StoreUnavailable."""
    return dict(map(tuple, db.run(_IN_FLIGHT, (now - RECENT_SECONDS,))))
