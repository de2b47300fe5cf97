"""The alerts that were raised: for all processes on the journal, each one once."""

from dataclasses import dataclass

from crew.sqlite_file import Database

ALERTS = """
CREATE TABLE alert (
    key TEXT PRIMARY KEY, kind TEXT NOT NULL, text TEXT NOT NULL,
    raised_at REAL NOT NULL, ended_at REAL
);
"""
_KEPT = 1_000
"""How many alerts that ended are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRecord:
    """One alert. Times are in seconds since the epoch; `ended_at` may lie ahead, and
    is None while nobody knows."""

    key: str
    kind: str
    text: str
    raised_at: float
    ended_at: float | None


class AlertTable:
    """The alerts of one journal. Every method raises StoreUnavailable when it cannot
    work."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, alert: AlertRecord) -> bool:
        """Add an alert, unless one with its key is open when it is raised. Returns
        whether it was added."""
        rows = self._db.run(
            "INSERT INTO alert VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
            "kind = excluded.kind, text = excluded.text, "
            "raised_at = excluded.raised_at, ended_at = excluded.ended_at "
            "WHERE alert.ended_at <= excluded.raised_at RETURNING key",
            (alert.key, alert.kind, alert.text, alert.raised_at, alert.ended_at),
        )
        if rows:
            self._prune()
        return bool(rows)

    def end(self, key: str, at: float) -> bool:
        """Note that an alert ended; False when none with that key was open."""
        rows = self._db.run(
            "UPDATE alert SET ended_at = ? WHERE key = ? "
            "AND (ended_at IS NULL OR ended_at > ?) RETURNING key",
            (at, key, at),
        )
        return bool(rows)

    def open(self, now: float) -> list[AlertRecord]:
        """The alerts that are open, the latest first."""
        rows = self._db.run(
            "SELECT key, kind, text, raised_at, ended_at FROM alert "
            "WHERE ended_at IS NULL OR ended_at > ? "
            "ORDER BY raised_at DESC, rowid DESC",
            (now,),
        )
        return [AlertRecord(**dict(row)) for row in rows]

    def _prune(self) -> None:
        self._db.run(
            "DELETE FROM alert WHERE rowid IN (SELECT rowid FROM alert "
            "WHERE ended_at IS NOT NULL ORDER BY ended_at DESC LIMIT -1 OFFSET ?)",
            (_KEPT,),
        )
