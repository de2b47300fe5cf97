"""The record of runs, tasks and calls."""

from crew.journal.attempts import AttemptRecord, AttemptTable, Escalations
from crew.journal.export import Row
from crew.journal.journal import Journal, journal_file, new_run_id
from crew.journal.marks import SKIPPED, Answered, MarkRecord, MarkTable
from crew.journal.open_calls import OpenCall
from crew.journal.records import CallRecord, RunRecord, TaskRecord
from crew.journal.regressions import RegressionRecord, RegressionTable
from crew.journal.retention import Contents
from crew.journal.schema import MIGRATIONS
from crew.journal.served import ServedCall
from crew.journal.spending import Recent, Spent
from crew.journal.stretch import Stretch
from crew.journal.tally import Part, Sums, Tally
from crew.journal.trials import Trials
from crew.journal.tries import Try

__all__ = [
    "MIGRATIONS",
    "SKIPPED",
    "Answered",
    "AttemptRecord",
    "AttemptTable",
    "CallRecord",
    "Contents",
    "Escalations",
    "Journal",
    "MarkRecord",
    "MarkTable",
    "OpenCall",
    "Part",
    "Recent",
    "RegressionRecord",
    "RegressionTable",
    "Row",
    "RunRecord",
    "ServedCall",
    "Spent",
    "Stretch",
    "Sums",
    "Tally",
    "TaskRecord",
    "Trials",
    "Try",
    "journal_file",
    "new_run_id",
]
