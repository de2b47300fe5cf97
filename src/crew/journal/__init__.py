"""The record of runs, tasks and calls."""

from crew.journal.journal import Journal, new_run_id
from crew.journal.records import CallRecord, RunRecord, TaskRecord
from crew.journal.schema import MIGRATIONS

__all__ = [
    "MIGRATIONS",
    "CallRecord",
    "Journal",
    "RunRecord",
    "TaskRecord",
    "new_run_id",
]
