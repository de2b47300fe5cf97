"""The tables of the SQLite store, one migration after the other."""

_FIRST = """
CREATE TABLE quota_limit (
    id INTEGER PRIMARY KEY, pool TEXT NOT NULL, spec TEXT NOT NULL, UNIQUE (pool, spec)
);
CREATE TABLE charge (
    limit_id INTEGER NOT NULL, expires_at REAL NOT NULL, amount INTEGER NOT NULL,
    PRIMARY KEY (limit_id, expires_at)
) WITHOUT ROWID;
CREATE TABLE bucket (limit_id INTEGER PRIMARY KEY, empties_at REAL NOT NULL);
CREATE TABLE lease (
    id TEXT PRIMARY KEY, expires_at REAL NOT NULL, charges TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE cooldown (
    pool TEXT PRIMARY KEY, until REAL NOT NULL, reason TEXT NOT NULL
);
"""
_SECOND = """
CREATE TABLE condition (
    pool TEXT PRIMARY KEY, cooldown_until REAL NOT NULL DEFAULT 0,
    cooldown_reason TEXT NOT NULL DEFAULT '', share REAL NOT NULL DEFAULT 1,
    throttled_at REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;
INSERT INTO condition (pool, cooldown_until, cooldown_reason)
    SELECT pool, until, reason FROM cooldown;
DROP TABLE cooldown;
CREATE TABLE learned (
    limit_id INTEGER PRIMARY KEY, amount INTEGER NOT NULL, until REAL NOT NULL
);
CREATE TABLE line (
    ticket INTEGER PRIMARY KEY AUTOINCREMENT, pool TEXT NOT NULL,
    requests INTEGER NOT NULL, input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, nano_usd INTEGER NOT NULL, until REAL NOT NULL
);
CREATE TABLE plan (
    provider TEXT PRIMARY KEY, plan TEXT NOT NULL, reason TEXT NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;
"""
_THIRD = """
CREATE TABLE timeline (
    version INTEGER NOT NULL, boot TEXT NOT NULL, lead REAL NOT NULL
);
CREATE TABLE jump (version INTEGER PRIMARY KEY, seconds REAL, at REAL NOT NULL);
ALTER TABLE condition ADD COLUMN cooled_at REAL NOT NULL DEFAULT 0;
ALTER TABLE lease ADD COLUMN holder TEXT NOT NULL DEFAULT '';
"""
MIGRATIONS = (_FIRST, _SECOND, _THIRD)
MENDED = """
DELETE FROM charge WHERE limit_id NOT IN (SELECT id FROM quota_limit);
DELETE FROM bucket WHERE limit_id NOT IN (SELECT id FROM quota_limit);
DELETE FROM learned WHERE limit_id NOT IN (SELECT id FROM quota_limit);
UPDATE timeline SET version = version + 1;
"""
"""What a mended file needs: a limit that was lost gets a new id, which must not find
another's counts, and the processes that know the old ids must ask again."""
