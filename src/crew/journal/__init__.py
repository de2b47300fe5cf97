"""The record of runs, tasks and calls."""

from crew.journal.attempts import AttemptRecord, AttemptTable, Escalations
from crew.journal.journal import Journal, new_run_id
from crew.journal.records import CallRecord, RunRecord, TaskRecord
from crew.journal.schema import MIGRATIONS
from crew.journal.stretch import Stretch
from crew.journal.trials import Trials
from crew.journal.tries import Try

__all__ = [
    "MIGRATIONS",
    "AttemptRecord",
    "AttemptTable",
    "CallRecord",
    "Escalations",
    "Journal",
    "RunRecord",
    "Stretch",
    "TaskRecord",
    "Trials",
    "Try",
    "new_run_id",
]
