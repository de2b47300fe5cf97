"""What open reservations hold, and how many calls wait, in a SQLite store."""

import json
import sqlite3


def held_in_flight(db: sqlite3.Connection, now: float) -> dict[int, int]:
    """What open reservations hold of each limit, by its id."""
    flying: dict[int, int] = {}
    leases = db.execute("SELECT charges FROM lease WHERE expires_at > ?", (now,))
    for (charges,) in leases:
        for limit_id, amount in json.loads(charges):
            flying[limit_id] = flying.get(limit_id, 0) + amount
    return flying


def in_queues(db: sqlite3.Connection, now: float) -> dict[str, int]:
    """How many calls wait in each pool's queue."""
    return dict(
        db.execute(
            "SELECT pool, COUNT(*) FROM line WHERE until > ? GROUP BY pool", (now,)
        )
    )
