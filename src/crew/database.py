"""How a SQLite file of ours is opened: for many processes, kept private, versioned."""

import sqlite3
from contextlib import suppress
from pathlib import Path

from crew.errors import StoreUnavailable

_SWITCH_ATTEMPTS = 100


def open_database(path: Path, *, schema: str, version: int) -> sqlite3.Connection:
    """A connection to the file, which is made with `schema` where it is missing.

    The file has mode 0600, a new directory 0700. Statements are transactions of
    their own (autocommit); the caller guards the connection with a lock. Raises
    StoreUnavailable when the file is no such database or from a newer version.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        db = sqlite3.connect(
            path, timeout=30, isolation_level=None, check_same_thread=False
        )
    except (OSError, sqlite3.Error) as exc:
        raise StoreUnavailable(f"{path}: {exc}") from exc
    try:
        found = _prepare(db, schema, version)
        if found != version:
            raise StoreUnavailable(
                f"{path}: it was written by a newer version of this program (format "
                f"{found}, this one knows {version}); update the program, or move "
                "the file away"
            )
    except sqlite3.Error as exc:
        db.close()
        raise StoreUnavailable(f"{path}: {exc}; move the file away") from exc
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, schema: str, version: int) -> int:
    """Make the tables of a new file; returns the version that the file has."""
    _write_ahead(db)
    # A commit is durable against a killed process, not against a power cut.
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("BEGIN IMMEDIATE")
    (found,) = db.execute("PRAGMA user_version").fetchone()
    if found == 0:
        for statement in filter(str.strip, schema.split(";")):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {version}")
        found = version
    db.execute("COMMIT")
    return int(found)


def _write_ahead(db: sqlite3.Connection) -> None:
    """Switch a new file to WAL. Two processes that switch at once get `locked` at
    once, whatever the timeout; a transaction in between waits for the other."""
    for _ in range(_SWITCH_ATTEMPTS):
        with suppress(sqlite3.OperationalError):
            db.execute("PRAGMA journal_mode = WAL")
            return
        db.execute("BEGIN IMMEDIATE")
        db.execute("ROLLBACK")
    db.execute("PRAGMA journal_mode = WAL")
