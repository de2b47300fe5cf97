"""How a SQLite file of ours is opened: for many processes, kept private, versioned."""

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from crew.errors import StoreUnavailable

_SWITCH_ATTEMPTS = 100
BUSY_SECONDS = 30.0
"""How long a step waits for another process before it gives up."""
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def open_database(
    path: Path, migrations: Sequence[str], *, busy_seconds: float = BUSY_SECONDS
) -> sqlite3.Connection:
    """A connection to the file, which is made where it is missing.

    `migrations[n]` leads from format n to n + 1; the whole way is one transaction.
    The file has mode 0600, a new directory 0700. Statements are transactions of
    their own (autocommit); the caller guards the connection with a lock.

    Raises StoreUnavailable when the file cannot be used. A damaged file is kept
    aside, so that the next start finds a new one; nothing is overwritten.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        db = sqlite3.connect(
            path, timeout=busy_seconds, isolation_level=None, check_same_thread=False
        )
    except (OSError, sqlite3.Error) as exc:
        raise StoreUnavailable(f"{path}: {exc}") from exc
    try:
        _prepare(db, path, migrations)
    except sqlite3.Error as exc:
        db.close()
        if exc.sqlite_errorcode in _DAMAGED:
            raise _kept_aside(path) from exc
        raise unavailable(path, exc) from exc
    except BaseException:
        db.close()
        raise
    return db


def unavailable(path: Path, error: sqlite3.Error) -> StoreUnavailable:
    """What a failed step on the file means, and what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    advice = {
        sqlite3.SQLITE_BUSY: "another process holds it; end that one",
        sqlite3.SQLITE_FULL: "make room on the disk; nothing was changed",
        sqlite3.SQLITE_IOERR: "the disk is full or broken; nothing was changed",
        sqlite3.SQLITE_READONLY: "it must be writable",
        sqlite3.SQLITE_CORRUPT: "it is damaged; the next start keeps it aside",
        sqlite3.SQLITE_NOTADB: "it is damaged; the next start keeps it aside",
    }.get(code)
    return StoreUnavailable(f"{path}: {error}" + (f": {advice}" if advice else ""))


def _prepare(db: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> None:
    _write_ahead(db)
    # A commit is durable against a killed process, not against a power cut.
    db.execute("PRAGMA synchronous = NORMAL")
    (found,) = db.execute("PRAGMA user_version").fetchone()
    if found == len(migrations):
        return
    db.execute("BEGIN IMMEDIATE")
    (found,) = db.execute("PRAGMA user_version").fetchone()
    if found > len(migrations):
        raise StoreUnavailable(
            f"{path}: it was written by a newer version of this program (format "
            f"{found}, this one knows {len(migrations)}); update the program, or "
            "move the file away"
        )
    for migration in migrations[found:]:
        for statement in filter(str.strip, migration.split(";")):
            db.execute(statement)
    db.execute(f"PRAGMA user_version = {len(migrations)}")
    db.execute("COMMIT")


def _kept_aside(path: Path) -> StoreUnavailable:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    path.rename(aside)
    for rest in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + rest).rename(aside.with_name(aside.name + rest))
    return StoreUnavailable(
        f"{path} is damaged and was kept aside as {aside.name}; the next start "
        "begins a new one"
    )


def _write_ahead(db: sqlite3.Connection) -> None:
    """Switch a new file to WAL. Two processes that switch at once get `locked` at
    once, whatever the timeout; a transaction in between waits for the other."""
    for _ in range(_SWITCH_ATTEMPTS):
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
        else:
            return
        db.execute("BEGIN IMMEDIATE")
        db.execute("ROLLBACK")
    db.execute("PRAGMA journal_mode = WAL")
