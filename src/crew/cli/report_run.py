"""`crew report RUN`: one run."""

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crew.cli.console import (
    DONE,
    OUTPUT,
    argument_error,
    print_safe,
    resume_command,
)
from crew.cli.ending import run_line, show_summary
from crew.cli.past import past_runs
from crew.cli.place import placed
from crew.journal import Journal, RunRecord, journal_file
from crew.reports.about import About
from crew.reports.document import run_document
from crew.reports.history_document import calls_csv
from crew.reports.report import build_report
from crew.reports.why import Story
from crew.runs.directory import RUNNING, RunDirectory
from crew.runs.listing import listed, pick
from crew.settings import Settings
from crew.settings.loader import load_tiers
from crew.settings.wording import unknown

_EVERY = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReportOptions:
    """The arguments of `crew report` for one run; `config` is the directory given
    before it, `run` is None for the latest one."""

    config: str | None
    run: str | None
    as_json: bool
    as_csv: bool
    html: Path | None
    with_texts: bool
    why: str | None


def report_run(asked: RunReportOptions) -> int:
    """Print what a run did and what it cost; returns the exit code. Raises
    SettingsError and StoreUnavailable."""
    settings = load_tiers(placed(asked.config))
    with past_runs(settings) as journal:
        record = _record(journal, asked.run, journal_file(settings.state_dir))
        if asked.why is not None:
            _print_why(_story(journal, record.run, asked.why), asked.as_json)
        elif asked.as_csv:
            for line in calls_csv(journal.calls(record.run)):
                print_safe(line)
        else:
            _report(settings, journal, record, asked)
    return DONE


def _record(journal: Journal, run: str | None, path: Path) -> RunRecord:
    """The run that was asked for. Raises SettingsError."""
    known = journal.runs(limit=_EVERY)
    named = pick(listed(known, OUTPUT), run) if run is not None else None
    wanted = named.run if named is not None else None
    record = next((one for one in known if wanted in (None, one.run)), None)
    if record is None:
        raise argument_error("RUN", f"no run {run or 'at all'} is in {path}")
    return record


def _report(
    settings: Settings, journal: Journal, record: RunRecord, asked: RunReportOptions
) -> None:
    killed = record.status == RUNNING
    record, directory, document = record_of_run(journal, record)
    if asked.html is not None:
        # On use: templates take a while to load.
        from crew.cli.report_page import write_run_page

        write_run_page(
            asked.html,
            settings,
            journal,
            directory,
            document,
            config=asked.config,
            with_texts=asked.with_texts,
        )
    elif asked.as_json:
        # As ASCII: models also write what takes a terminal over.
        print(json.dumps(document, indent=2))
    else:
        print_safe(run_line(document, record.output))
        if not killed and document.get("error"):
            print_safe(document["error"])
        print()
        show_summary(document, build_report(journal, record.run), asked.config)
        if record.status not in ("done", RUNNING) and directory.is_begun:
            print(f"go on with: {resume_command(record.run, asked.config)}")


def record_of_run(
    journal: Journal, record: RunRecord
) -> tuple[RunRecord, RunDirectory, dict[str, Any]]:
    """A run as it stands: what the journal calls `running` may have been killed. Raises
    StoreUnavailable."""
    directory = RunDirectory(record.output)
    killed = record.status == RUNNING
    record = replace(record, status=directory.status(record.status))
    if killed and record.status != RUNNING:
        journal.settle_open_calls(record.run)
    return record, directory, _document(journal, record, directory, killed)


def _story(journal: Journal, run: str, task: str) -> Story:
    """The story of a task. Raises SettingsError for one without attempts."""
    attempts = journal.attempts.of(run)
    own = [one for one in attempts if one.task == task]
    if not own:
        known = list(dict.fromkeys(one.task for one in attempts))
        if not known:
            raise argument_error("--why", f"run {run} has no attempt at any task")
        raise argument_error("--why", f"run {run}: {unknown('task', task, known)}")
    ended = {one.name: one.status for one in journal.tasks(run)}
    return Story(run=run, task=task, status=ended.get(task), attempts=own)


def _print_why(story: Story, as_json: bool) -> None:
    if as_json:
        print(json.dumps(story.document(), indent=2))
        return
    for line in story.lines():
        print_safe(line)


def _document(
    journal: Journal, record: RunRecord, directory: RunDirectory, killed: bool
) -> dict[str, Any]:
    """The record of a run: as it was written when the run ended, else what the journal
    knows."""
    if not killed:  # else an earlier part of the run wrote it
        with suppress(OSError, ValueError):  # it may be gone, or torn
            if (found := directory.document()) is not None:
                return found
    tasks = journal.tasks(record.run)
    return run_document(
        build_report(journal, record.run),
        record,
        tasks,
        directory.results(task.name for task in tasks),
        None,
        {"path": str(directory.workspace)},
        error=f"the run is {record.status}",
        about=_about(directory),
    )


def _about(directory: RunDirectory) -> About:
    """What is known of a run that did not come to an end."""
    request = directory.beginning().inputs.request if directory.is_begun else None
    return About(request=request)
