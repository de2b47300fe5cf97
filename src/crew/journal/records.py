"""The rows of the journal as values."""

import sqlite3
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call that left for a provider.

    `outcome` is `ok` or the class name of the failure. `reason` says why this
    deployment and not the first of the YAML: what closed that one, or a strategy's
    choice; it is empty when it was the first. `cost_usd` is
    None when nobody knows it. `senior_usd` is what an ok call would have cost on
    the first deployment of the senior tier. `estimated`: the provider did not report
    the usage. `at` is in seconds since the epoch. `characters` is what was sent, None
    where there were images. `detail` is what failed: the provider's own word where
    nobody knew the failure, cut and without keys, else our sentence, if there is one.

    Of the input tokens, `cached_tokens` were read from the provider's cache and
    `cache_write_tokens` written to it. `cache_saved_usd` is what the same call without
    a cache would have cost more (below zero: less); None when nobody knows a price.
    `part` is the part of the role's pattern that made it; empty without one.
    """

    run: str
    task: str | None
    role: str
    deployment: str
    provider: str
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal | None
    seconds: float
    outcome: str
    reason: str
    at: float
    estimated: bool = False
    senior_usd: Decimal | None = None
    characters: int | None = None
    detail: str = ""
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cache_saved_usd: Decimal | None = None
    part: str = ""

    @property
    def ok(self) -> bool:
        return self.outcome == "ok"

    @property
    def swapped_from(self) -> str:
        """The deployment that was closed, where this one was asked in its place; empty
        for the first that was asked, whoever put it first: the YAML or a strategy."""
        first, colon, _ = self.reason.partition(": ")
        return first if colon and " " not in first else ""

    @property
    def speaker(self) -> str:
        """Whose answers are alike in length: the role's, or a part's of its pattern."""
        return f"{self.role}/{self.part}" if self.part else self.role


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """One task of a run that came to an end. `status` is `proved`, `passed`,
    `unproved` or `failed`; in records of older versions also `done`."""

    run: str
    name: str
    agent: str
    status: str
    finished_at: float | None

    @property
    def is_done(self) -> bool:
        """Whether its result counts."""
        return self.status != FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run. `status` is `running`, `done`, `failed`, `closed` or `interrupted`. A
    run whose process was killed stays `running`."""

    run: str
    status: str
    rehearsal: bool
    user: str
    team: str
    started_at: float
    finished_at: float | None
    output: Path


CALL_FIELDS = tuple(field.name for field in fields(CallRecord))


def stored(value: object) -> object:
    """The value as SQLite keeps it: money as exact text."""
    return str(value) if isinstance(value, Decimal) else value


def call_record(row: sqlite3.Row) -> CallRecord:
    """The call of a row."""
    values: dict[str, Any] = dict(row)
    for name in ("id", "opened"):
        values.pop(name, None)
    for name in ("cost_usd", "senior_usd", "cache_saved_usd"):
        if values[name] is not None:
            values[name] = Decimal(values[name])
    return CallRecord(**values | {"estimated": bool(values["estimated"])})


def run_record(row: sqlite3.Row) -> RunRecord:
    """The run of a row."""
    values: dict[str, Any] = dict(row)
    for name in ("removed_at", "kept_at"):
        values.pop(name, None)
    return RunRecord(
        **values
        | {"rehearsal": bool(values["rehearsal"]), "output": Path(values["output"])}
    )
