"""How a SQLite file of ours is opened and mended: for many processes, kept private."""

import fcntl
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from crew.errors import StoreUnavailable, file_problem
from crew.notices import Listener

_SWITCH_ATTEMPTS = 100
BUSY_SECONDS = 30.0
"""How long a step waits for another process before it gives up."""
_MENDING_ATTEMPTS = 3
_SHRINKS = "PRAGMA auto_vacuum = INCREMENTAL"
"""Empty pages can be given back, a few at a time."""
_HEADER = 100
"""Bytes at the beginning of a SQLite file that say what it is."""


class NoRoom(StoreUnavailable):
    """The disk is full or broken; a later step may find room."""


class Damaged(StoreUnavailable):
    """The file is damaged; to open it anew mends it."""


def open_database(
    path: Path,
    migrations: Sequence[str],
    *,
    busy_seconds: float = BUSY_SECONDS,
    listener: Listener = lambda line: None,
    mended: str = "",
) -> sqlite3.Connection:
    """A connection to the file, which is made where it is missing.

    `migrations[n]` leads from format n to n + 1; the whole way is one transaction.
    The file has mode 0600, a new directory 0700. Statements are transactions of
    their own (autocommit); the caller guards the connection with a lock.

    A damaged file is mended: a copy is kept aside, what can be read stays, and the
    listener hears of it; `mended` is SQL for what was rescued. Raises StoreUnavailable.
    """
    for _ in range(_MENDING_ATTEMPTS):
        db = _connected(path, busy_seconds)
        try:
            _prepare(db, path, migrations)
        except sqlite3.Error as exc:
            db.close()
            if is_damage(exc):
                mend(path, migrations, listener, mended)
                continue
            raise unavailable(path, exc) from exc
        except BaseException:
            db.close()
            raise
        return db
    raise StoreUnavailable(f"{path}: damaged again and again: the disk is broken")


class Database:
    """A file that is used statement by statement, by many threads: each statement is a
    transaction. It mends itself. Every method raises StoreUnavailable."""

    def __init__(
        self, path: Path, migrations: Sequence[str], listener: Listener
    ) -> None:
        self._path = path
        self._parts = (migrations, listener)
        self._lock = threading.Lock()
        self._db = self._opened()

    def run(
        self, statement: str, values: Sequence[object] | dict[str, object]
    ) -> list[sqlite3.Row]:
        """The rows that a statement answers."""
        with self._lock:
            try:
                return self._run(statement, values)
            except Damaged:
                self._db.close()
                mend(self._path, *self._parts)
                self._db = self._opened()
                return self._run(statement, values)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def _run(
        self, statement: str, values: Sequence[object] | dict[str, object]
    ) -> list[sqlite3.Row]:
        try:
            with closing(self._db.execute(statement, values)) as cursor:
                return cursor.fetchall()
        except sqlite3.Error as exc:
            raise unavailable(self._path, exc) from exc

    def _opened(self) -> sqlite3.Connection:
        migrations, listener = self._parts
        db = open_database(self._path, migrations, listener=listener)
        db.row_factory = sqlite3.Row
        return db


def _connected(path: Path, busy_seconds: float) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        return sqlite3.connect(
            path, timeout=busy_seconds, isolation_level=None, check_same_thread=False
        )
    except OSError as exc:
        raise StoreUnavailable(f"{path} cannot be used: {file_problem(exc)}") from exc
    except sqlite3.Error as exc:
        raise unavailable(path, exc) from exc


def is_damage(error: sqlite3.Error) -> bool:
    """Whether a step failed because the file is damaged."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def unavailable(path: Path, error: sqlite3.Error) -> StoreUnavailable:
    """What a failed step on the file means, and what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    advice = {
        sqlite3.SQLITE_BUSY: "another process holds it; end that one",
        sqlite3.SQLITE_FULL: "make room on the disk; nothing was changed",
        sqlite3.SQLITE_IOERR: "the disk is full or broken; nothing was changed",
        sqlite3.SQLITE_READONLY: "it must be writable",
        sqlite3.SQLITE_CORRUPT: "it is damaged; the next start mends it",
        sqlite3.SQLITE_NOTADB: "it is damaged; the next start mends it",
        sqlite3.SQLITE_CANTOPEN: "its directory is missing or not writable",
    }.get(code)
    kind = StoreUnavailable
    if is_damage(error):
        kind = Damaged
    elif code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        kind = NoRoom
    return kind(f"{path}: {error}" + (f": {advice}" if advice else ""))


def _prepare(db: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> None:
    if db.execute("PRAGMA page_count").fetchone() == (0,):
        db.execute(_SHRINKS)
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
    statement = ""
    for part in "".join(migrations[found:]).split(";")[:-1]:
        statement += f"{part};"
        if sqlite3.complete_statement(statement):  # a trigger holds others
            db.execute(statement)
            statement = ""
    db.execute(f"PRAGMA user_version = {len(migrations)}")
    db.execute("COMMIT")


def _write_ahead(db: sqlite3.Connection) -> None:
    """Switch a new file to WAL. Two processes that switch at once get `locked`,
    whatever the timeout; a transaction in between waits for the other."""
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


def mend(
    path: Path, migrations: Sequence[str], listener: Listener, mended: str = ""
) -> None:
    """Make a damaged file whole, for all processes that have it open: what can be read
    stays, and a copy of the damaged one is kept aside. No connection of this process
    may be open. Raises StoreUnavailable when that fails."""
    try:
        with _alone(path):
            if _is_whole(path):
                return  # another process was quicker
            aside = _copied_aside(path)
            with closing(_rescued(path, migrations)) as rescued:
                rescued.executescript(mended)
                _put_back(rescued, path)
    except (OSError, sqlite3.Error) as exc:
        raise StoreUnavailable(
            f"{path} is damaged and cannot be mended ({exc}): make room on the disk, "
            "or move the file away"
        ) from exc
    listener(
        f"WARNING: {path} was damaged; what could be read of it goes on, and a copy of "
        f"it is {aside.name}"
    )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time mends a file."""
    with path.with_name(f"{path.name}.mending").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _is_whole(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as db:
            return bool(db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.Error as exc:
        if is_damage(exc):
            return False
        raise


def _copied_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    shutil.copy2(path, aside)
    with suppress(FileNotFoundError):
        shutil.copy2(f"{path}-wal", f"{aside}-wal")
    return aside


def _rescued(path: Path, migrations: Sequence[str]) -> sqlite3.Connection:
    """A new database in memory, with the rows of the damaged file that can be read."""
    new = sqlite3.connect(":memory:", isolation_level=None)
    new.execute(_SHRINKS)
    new.executescript("".join(migrations))
    new.execute(f"PRAGMA user_version = {len(migrations)}")
    tables = new.execute(
        "SELECT name, sql LIKE '%WITHOUT ROWID%' FROM sqlite_schema "
        "WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as old:
        old.text_factory = lambda text: text.decode(errors="replace")
        for table, keyed in tables:
            keys = ["rowid"]
            if keyed:
                columns = new.execute(f"PRAGMA table_info({table})")
                keys = [name for _, name, *_, place in columns if place]
            backwards = ", ".join(f"{key} DESC" for key in keys)
            for order in ("", f" ORDER BY {backwards}"):  # up to the damage
                # What a trigger made of other rows is not what stood there.
                _copy_rows(old, new, table, order, "REPLACE" if keyed else "IGNORE")
    return new


def _copy_rows(
    old: sqlite3.Connection, new: sqlite3.Connection, table: str, order: str, known: str
) -> None:
    with suppress(sqlite3.Error):
        found = old.execute(f"SELECT * FROM {table}{order}")
        names = ", ".join(column[0] for column in found.description)
        marks = ", ".join("?" * len(found.description))
        add = f"INSERT OR {known} INTO {table} ({names}) VALUES ({marks})"
        for row in found:
            with suppress(sqlite3.Error):
                new.execute(add, row)


def _put_back(rescued: sqlite3.Connection, path: Path) -> None:
    """Write it over the damaged file, in one transaction of SQLite's: who has the file
    open goes on with the new content."""
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as db:
        try:
            rescued.backup(db)
            return
        except sqlite3.Error as exc:
            if not is_damage(exc):
                raise
    # Its first bytes are needed to begin a transaction. Their last say for which
    # change the count of pages is true: for none, so that SQLite counts them itself.
    header = rescued.serialize()[: _HEADER - 8] + b"\xff" * 8
    with path.open("r+b") as file:
        file.write(header)
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as db:
        rescued.backup(db)
