"""The tables of the journal, migration by migration."""

from crew.journal.alerts import ALERTS
from crew.journal.approvals import APPROVALS
from crew.journal.attempts import ATTEMPTS, TASK_TRUST, WORK
from crew.journal.marks import MARKS
from crew.journal.open_calls import OPEN_CALLS
from crew.journal.regressions import REGRESSIONS
from crew.journal.retention import RETENTION
from crew.journal.spending import SPENDING
from crew.journal.stretch import CALLS_BY_TIME
from crew.journal.trials import EXPERIMENT

_FIRST = """
CREATE TABLE run (
    run TEXT PRIMARY KEY, status TEXT NOT NULL, rehearsal INTEGER NOT NULL,
    user TEXT NOT NULL, team TEXT NOT NULL, started_at REAL NOT NULL,
    finished_at REAL, output TEXT NOT NULL
);
CREATE TABLE task (
    run TEXT NOT NULL, name TEXT NOT NULL, agent TEXT NOT NULL, status TEXT NOT NULL,
    finished_at REAL, UNIQUE (run, name)
);
CREATE TABLE call (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL, task TEXT, role TEXT NOT NULL,
    deployment TEXT NOT NULL, provider TEXT NOT NULL, input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, cost_usd TEXT, seconds REAL NOT NULL,
    outcome TEXT NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL,
    estimated INTEGER NOT NULL, senior_usd TEXT
);
CREATE INDEX call_of_run ON call (run);
"""
_SECOND = """
ALTER TABLE call ADD COLUMN characters INTEGER;
ALTER TABLE call ADD COLUMN detail TEXT NOT NULL DEFAULT '';
"""
_THIRD = """
ALTER TABLE call ADD COLUMN cached_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE call ADD COLUMN cache_write_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE call ADD COLUMN cache_saved_usd TEXT;
"""
_PART = "ALTER TABLE call ADD COLUMN part TEXT NOT NULL DEFAULT '';"

MIGRATIONS = (
    _FIRST,
    _SECOND,
    _THIRD,
    ATTEMPTS,
    TASK_TRUST,
    CALLS_BY_TIME,
    EXPERIMENT,
    OPEN_CALLS,
    REGRESSIONS,
    MARKS,
    _PART,
    WORK,
    ALERTS + APPROVALS,
    SPENDING,
    RETENTION,
)
