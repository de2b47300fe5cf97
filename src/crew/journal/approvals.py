"""What a person approved for a run beyond its budgets."""

from dataclasses import dataclass

from crew.sqlite_file import Database

APPROVALS = """
CREATE TABLE approval (
    run TEXT NOT NULL, metric TEXT NOT NULL, amount INTEGER NOT NULL, at REAL NOT NULL,
    user TEXT NOT NULL
);
CREATE INDEX approval_of_run ON approval (run);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRecord:
    """`amount` is in the base unit of the `metric`, as in `crew.quota.limits`; `at` is
    in seconds since the epoch; `user` approved it."""

    run: str
    metric: str
    amount: int
    at: float
    user: str


class ApprovalTable:
    """The approvals of one journal. Every method raises StoreUnavailable when it
    cannot work."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, one: ApprovalRecord) -> None:
        """Note an approval."""
        self._db.run(
            "INSERT INTO approval VALUES (?, ?, ?, ?, ?)",
            (one.run, one.metric, one.amount, one.at, one.user),
        )

    def of(self, run: str) -> list[ApprovalRecord]:
        """What was approved for a run, oldest first."""
        rows = self._db.run("SELECT * FROM approval WHERE run = ? ORDER BY at", (run,))
        return [ApprovalRecord(**dict(row)) for row in rows]
