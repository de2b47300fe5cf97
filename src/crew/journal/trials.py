"""The attempts that were made in experiments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crew.journal.attempts import AttemptRecord, attempt_record
from crew.sqlite_file import Database

EXPERIMENT = """
ALTER TABLE attempt ADD COLUMN experiment TEXT NOT NULL DEFAULT '';
ALTER TABLE attempt ADD COLUMN arm TEXT NOT NULL DEFAULT '';
ALTER TABLE attempt ADD COLUMN pair TEXT NOT NULL DEFAULT '';
ALTER TABLE attempt ADD COLUMN left_out TEXT NOT NULL DEFAULT '';
CREATE INDEX attempt_of_experiment ON attempt (experiment) WHERE experiment != '';
"""
_REAL = "run IN (SELECT run FROM run WHERE NOT rehearsal)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """The attempts of an experiment, oldest first, and which of their tasks came to an
    end, by run and name; rehearsals do not count."""

    attempts: Sequence[AttemptRecord] = ()
    ended: frozenset[tuple[str, str]] = frozenset()


class TrialTable:
    """The experiments of one journal. Every method raises StoreUnavailable when it
    cannot work."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def names(self) -> Mapping[str, int]:
        """The experiments with the number of their attempts, the latest first;
        rehearsals do not count."""
        rows = self._db.run(
            "SELECT experiment, COUNT(*) FROM attempt WHERE experiment != '' AND "
            f"{_REAL} GROUP BY experiment ORDER BY MAX(id) DESC",
            (),
        )
        return {name: int(count) for name, count in rows}

    def of(self, experiment: str) -> Trials:
        """What was tried in an experiment."""
        rows = self._db.run(
            "SELECT * FROM attempt WHERE experiment != '' AND experiment = ? AND "
            f"{_REAL} ORDER BY id",
            (experiment,),
        )
        ended = self._db.run(
            "SELECT DISTINCT task.run, task.name FROM task JOIN attempt ON "
            "task.run = attempt.run AND task.name = attempt.task "
            "WHERE experiment != '' AND experiment = ?",
            (experiment,),
        )
        return Trials(
            attempts=[attempt_record(row) for row in rows],
            ended=frozenset((run, name) for run, name in ended),
        )
