"""What an export of the journal has: its tables, their columns, and what each means.

Metadata only. docs/journal.md is made of this. A column that is added leaves
`SCHEMA` as it is; one that goes, or means something else, raises it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

SCHEMA = 1
"""The version of the columns."""


class Kind(StrEnum):
    """What the values of a column are."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    MONEY = "decimal"
    MOMENT = "time"
    FLAG = "true or false"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `null` says what a missing value means; empty: there is none that
    lacks it."""

    name: str
    kind: Kind
    meaning: str
    null: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table of the export: `source` is its name in the journal, `moment` the
    column that `since` goes by."""

    source: str
    moment: str
    meaning: str
    columns: tuple[Column, ...]


_TEXT, _INTEGER, _NUMBER = Kind.TEXT, Kind.INTEGER, Kind.NUMBER
_MONEY, _MOMENT, _FLAG = Kind.MONEY, Kind.MOMENT, Kind.FLAG

_RUN = Column("run", _TEXT, "the id of the run")
_REHEARSAL = Column("rehearsal", _FLAG, "the built-in emulator played the providers")
_UNMEASURED = "the ladder went by the YAML"

_RUNS = (
    _RUN,
    _REHEARSAL,
    Column("status", _TEXT, "`running`, `done`, `failed`, `closed` or `interrupted`"),
    Column("user", _TEXT, "whose run it is"),
    Column("team", _TEXT, "the team of that user"),
    Column("started_at", _MOMENT, "when it began"),
    Column("finished_at", _MOMENT, "when it ended", "it has not ended, or was killed"),
    Column("output", _TEXT, "the directory with its files"),
)
_TASKS = (
    _RUN,
    _REHEARSAL,
    Column("name", _TEXT, "the task, as tasks.yaml calls it"),
    Column("agent", _TEXT, "the role that it is given to; empty: the manager chose"),
    Column("status", _TEXT, "`proved`, `passed`, `unproved` or `failed`"),
    Column("finished_at", _MOMENT, "when it came to an end", "nobody noted it"),
)
_ATTEMPTS = (
    Column("id", _INTEGER, "counts the attempts of this journal"),
    _RUN,
    _REHEARSAL,
    Column("task", _TEXT, "the task"),
    Column("number", _INTEGER, "counts the attempts at the task from 1"),
    Column("at", _MOMENT, "when it ended"),
    Column("kind", _TEXT, "the kind of work", "no kind"),
    Column("complexity", _TEXT, "`low`, `medium` or `high`"),
    Column("complexity_reason", _TEXT, "where the complexity comes from"),
    Column("step", _TEXT, "the step of the ladder: a tier or a deployment"),
    Column("place", _INTEGER, "the index of that step, from 0"),
    Column("deployment", _TEXT, "the last one that answered in it"),
    Column("prompt", _TEXT, "a hash of the prompt"),
    Column("prompt_style", _TEXT, "how the prompt was worded"),
    Column("gate", _TEXT, "the gate that decided; empty: none did"),
    Column("trust", _TEXT, "how much that gate says"),
    Column("task_trust", _TEXT, "the same of the task's strongest gate"),
    Column("verdict", _TEXT, "`passed` or `failed`"),
    Column("reason_hash", _TEXT, "a hash of what the gate found"),
    Column("fed_back", _FLAG, "it knew the reason of the attempt before"),
    Column("why", _TEXT, "why it was made"),
    Column("cost_usd", _MONEY, "US dollars of its calls", "nobody knows a price"),
    Column(
        "premium_usd", _MONEY, "the same tokens at the premium", "nobody knows a price"
    ),
    Column("seconds", _NUMBER, "seconds that it took"),
    Column("calls", _INTEGER, "its model calls"),
    Column("input_tokens", _INTEGER, "tokens that were sent"),
    Column("output_tokens", _INTEGER, "tokens that were written"),
    Column("cached_tokens", _INTEGER, "of those sent: read from the provider's cache"),
    Column("is_free", _FLAG, "its deployment costs nothing"),
    Column("cut_off", _FLAG, "its answer was cut off"),
    Column("p", _MONEY, "the pass rate that the ladder used", _UNMEASURED),
    Column("c", _MONEY, "US dollars of an attempt at this step", _UNMEASURED),
    Column("rest", _MONEY, "US dollars of going on without it", _UNMEASURED),
    Column("experiment", _TEXT, "the experiment that it is part of; empty: none"),
    Column("arm", _TEXT, "its arm there"),
    Column("pair", _TEXT, "the comparison that it is part of; empty: none"),
    Column("left_out", _TEXT, "why it does not count for its arm; empty: it does"),
)
_CALLS = (
    Column("id", _INTEGER, "counts the calls of this journal"),
    _RUN,
    _REHEARSAL,
    Column("task", _TEXT, "the task", "it belongs to no task"),
    Column("role", _TEXT, "the role that called"),
    Column("part", _TEXT, "the part of its pattern; empty without one"),
    Column("deployment", _TEXT, "who was called, as providers.yaml names it"),
    Column("provider", _TEXT, "whose deployment that is"),
    Column("at", _MOMENT, "when it ended"),
    Column("seconds", _NUMBER, "seconds that it took"),
    Column("outcome", _TEXT, "`ok`, the class of the failure, or `Interrupted`"),
    Column("detail", _TEXT, "what failed, in the provider's words, cut and masked"),
    Column("reason", _TEXT, "why this deployment; empty: it was the first"),
    Column("input_tokens", _INTEGER, "tokens that were sent"),
    Column("output_tokens", _INTEGER, "tokens that were written"),
    Column("cached_tokens", _INTEGER, "of those sent: read from the provider's cache"),
    Column("cache_write_tokens", _INTEGER, "of those sent: written to that cache"),
    Column("estimated", _FLAG, "the provider did not report the tokens"),
    Column("characters", _INTEGER, "characters that were sent", "there were images"),
    Column("cost_usd", _MONEY, "US dollars", "nobody knows the price"),
    Column(
        "senior_usd",
        _MONEY,
        "the same at the first deployment of the senior tier",
        "it failed, or nobody knows the price",
    ),
    Column(
        "cache_saved_usd",
        _MONEY,
        "US dollars that the cache saved (below zero: it cost more)",
        "nobody knows the price",
    ),
)

TABLES: Mapping[str, Table] = {
    "runs": Table(
        source="run", moment="started_at", meaning="one row a run", columns=_RUNS
    ),
    "tasks": Table(
        source="task",
        moment="finished_at",
        meaning="one row for each task that came to an end",
        columns=_TASKS,
    ),
    "attempts": Table(
        source="attempt",
        moment="at",
        meaning="one row for each attempt at a task",
        columns=_ATTEMPTS,
    ),
    "calls": Table(
        source="call",
        moment="at",
        meaning="one row for each model call that ended",
        columns=_CALLS,
    ),
}
