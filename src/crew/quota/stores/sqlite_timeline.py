"""The times in the SQLite file, which follow the clock when it jumps."""

import sqlite3
from collections.abc import Sequence
from math import nan

from crew.clock import Clock
from crew.quota.stores.jumps import (
    LONGEST_LEASE,
    Jump,
    limit_of,
    measured_lead,
    strays,
)
from crew.quota.stores.sqlite_counts import ADD_CHARGE

_UNKNOWN = -1


class Timeline:
    """One process' view of it. Every method is called in a transaction.

    The file says how far the clock was ahead of the time since the machine's start.
    Who finds another lead moves all times, and gives the timeline its next version:
    by it the other processes know that it was done.
    """

    def __init__(self, db: sqlite3.Connection, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._lead = nan
        self._jumps: dict[int, Jump] = {}
        self._was_here = False
        self.version = _UNKNOWN

    def now(self) -> float:
        """The clock's time; what counts has followed it there."""
        now = self._clock.now()
        if strays(self._clock, now, self._lead):
            self.follow(now)
        return now

    def follow(self, now: float) -> None:
        """See whether the clock jumped, and move all times if nobody did."""
        lead = measured_lead(self._clock)
        row = self._db.execute("SELECT version, boot, lead FROM timeline").fetchone()
        jump = self._jump(row, lead, now)
        version: int = row[0] if row else int(now)
        if jump is not None:
            version += 1
            self._move(jump)
            self._db.execute(
                "INSERT OR REPLACE INTO jump VALUES (?, ?, ?)",
                (version, jump.seconds, jump.at),
            )
            self._db.execute("DELETE FROM timeline")
            self._db.execute(
                "INSERT INTO timeline VALUES (?, ?, ?)",
                (version, self._clock.boot, lead),
            )
        elif row is not None:
            lead = row[2]
        jumps = self._db.execute("SELECT version, seconds, at FROM jump")
        self._jumps = {at: Jump(seconds=by, at=to) for at, by, to in jumps}
        self.version, self._lead, self._was_here = version, lead, True

    def since(self, version: int) -> Sequence[Jump]:
        """The jumps after a version, the first one first."""
        if version >= self.version:
            return ()
        return [self._jumps[at] for at in sorted(self._jumps) if at > version]

    def forget(self) -> None:
        """A step was undone, and perhaps what it moved."""
        self._lead, self.version = nan, _UNKNOWN

    def _jump(
        self, row: tuple[int, str, float] | None, lead: float, now: float
    ) -> Jump | None:
        if row is None:
            return Jump(seconds=None, at=now)
        _, boot, known = row
        jump = Jump(seconds=lead - known, at=now)
        same = boot == self._clock.boot
        if not same or (jump.is_one and not (boot or self._was_here)):
            jump = Jump(seconds=None, at=now)
        return jump if jump.is_one else None

    def _move(self, jump: Jump) -> None:
        self._move_charges(jump)
        db, by, at = self._db, jump.seconds, jump.at
        if by is None:
            db.execute(
                "UPDATE lease SET expires_at = MIN(expires_at, ?)",
                (at + LONGEST_LEASE,),
            )
            # It was set in what is the future now: it lasts as long from now on.
            db.execute(
                "UPDATE condition SET cooled_at = ?1, "
                "cooldown_until = cooldown_until - cooled_at + ?1 WHERE cooled_at > ?1",
                (at,),
            )
            db.execute(
                "UPDATE condition SET throttled_at = MIN(throttled_at, ?)", (at,)
            )
            # Who still waits takes its place again at its next look.
            db.execute("DELETE FROM line")
        else:
            db.execute("UPDATE lease SET expires_at = expires_at + ?", (by,))
            db.execute(
                "UPDATE condition SET cooldown_until = cooldown_until + ?1, "
                "cooled_at = cooled_at + ?1, throttled_at = throttled_at + ?1",
                (by,),
            )
            db.execute("UPDATE line SET until = until + ?", (by,))
        learned = db.execute("SELECT limit_id, until FROM learned").fetchall()
        db.executemany(
            "UPDATE learned SET until = ? WHERE limit_id = ?",
            [(jump.moved_lesson(until), name) for name, until in learned],
        )

    def _move_charges(self, jump: Jump) -> None:
        db = self._db
        limits = {
            name: limit_of(spec)
            for name, spec in db.execute("SELECT id, spec FROM quota_limit")
        }
        charges = db.execute(
            "SELECT limit_id, expires_at, amount FROM charge"
        ).fetchall()
        db.execute("DELETE FROM charge")
        db.executemany(
            ADD_CHARGE,
            [
                (name, jump.moved(limits.get(name), expires), amount)
                for name, expires, amount in charges
                if expires > jump.before
            ],
        )
        buckets = db.execute("SELECT limit_id, empties_at FROM bucket").fetchall()
        db.executemany(
            "UPDATE bucket SET empties_at = ? WHERE limit_id = ?",
            [(jump.moved(limits.get(name), at), name) for name, at in buckets],
        )
