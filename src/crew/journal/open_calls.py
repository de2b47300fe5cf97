"""Calls that left and have not ended: what a killed process leaves behind.

The row of a call that ends takes the place of its open one in the same step.
"""

from dataclasses import dataclass, fields

from crew.sqlite_file import Database

OPEN_CALLS = """
CREATE TABLE open_call (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, task TEXT,
    role TEXT NOT NULL, deployment TEXT NOT NULL, provider TEXT NOT NULL,
    input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,
    reason TEXT NOT NULL, at REAL NOT NULL, is_free INTEGER NOT NULL
);
ALTER TABLE call ADD COLUMN opened INTEGER;
CREATE TRIGGER call_ends AFTER INSERT ON call WHEN NEW.opened IS NOT NULL BEGIN
    DELETE FROM open_call WHERE id = NEW.opened;
END;
"""
_SETTLE = """
INSERT INTO call (run, task, role, deployment, provider, input_tokens, output_tokens,
    cost_usd, seconds, outcome, reason, at, estimated, detail, opened)
SELECT run, task, role, deployment, provider, input_tokens, output_tokens,
    CASE WHEN is_free THEN '0' END, 0, 'Interrupted', reason, at, 1,
    'the process ended', id
FROM open_call WHERE run = ?
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCall:
    """A call that leaves at `at`, in seconds since the epoch. Tokens are estimates;
    `is_free`: it costs nothing, whatever it takes."""

    run: str
    task: str | None
    role: str
    deployment: str
    provider: str
    input_tokens: int
    output_tokens: int
    reason: str
    at: float
    is_free: bool


_FIELDS = tuple(field.name for field in fields(OpenCall))
_OPEN = (
    f"INSERT INTO open_call ({', '.join(_FIELDS)}) "
    f"VALUES ({', '.join(f':{name}' for name in _FIELDS)}) RETURNING id"
)


def open_call(db: Database, call: OpenCall) -> int:
    """Note a call that leaves; returns what its row names when it ends. Raises
    StoreUnavailable."""
    (row,) = db.run(_OPEN, {name: getattr(call, name) for name in _FIELDS})
    return int(row[0])


def settle_open_calls(db: Database, run: str) -> None:
    """Give each open call of a run that nobody works on a row, as interrupted: it may
    well be charged. Raises StoreUnavailable."""
    db.run(_SETTLE, (run,))
