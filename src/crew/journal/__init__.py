"""The record of runs, tasks and calls."""

from crew.journal.attempts import AttemptRecord, Escalations
from crew.journal.journal import Journal, new_run_id
from crew.journal.records import CallRecord, RunRecord, TaskRecord
from crew.journal.schema import MIGRATIONS

__all__ = [
    "MIGRATIONS",
    "AttemptRecord",
    "CallRecord",
    "Escalations",
    "Journal",
    "RunRecord",
    "TaskRecord",
    "new_run_id",
]
