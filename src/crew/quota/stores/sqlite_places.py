"""Places in concurrency limits whose holders are gone, given back."""

import json
import sqlite3

from crew.quota.limits import Refusal, WindowKind
from crew.quota.stores.holders import is_gone
from crew.quota.stores.sqlite_counts import ADD_CHARGE


def released_by_the_gone(db: sqlite3.Connection, refused: Refusal, now: float) -> bool:
    """Give back the places that processes hold which are gone; whether there were any.
    What else they reserved stays charged: a provider may have counted it."""
    if refused.limit is None or refused.limit.kind is not WindowKind.LEASE:
        return False
    leases = db.execute(
        "SELECT id, expires_at, charges, holder FROM lease WHERE expires_at > ?",
        (now,),
    ).fetchall()
    gone = {holder for holder in {holder for *_, holder in leases} if is_gone(holder)}
    places = {
        name
        for name, spec in db.execute("SELECT id, spec FROM quota_limit")
        if spec.endswith(" concurrent")
    }
    for lease, expires, charges, holder in leases:
        if holder in gone:
            db.execute("DELETE FROM lease WHERE id = ?", (lease,))
            freed = [
                (name, expires, -amount)
                for name, amount in json.loads(charges)
                if name in places
            ]
            db.executemany(ADD_CHARGE, freed)
    return bool(gone)
