"""`crew report`."""

import argparse
import fcntl
import json
from dataclasses import replace

from crew.cli.console import (
    DONE,
    mistake,
    resume_command,
    say,
)
from crew.clock import SystemClock
from crew.journal import Journal, RunRecord
from crew.reports.document import run_document
from crew.reports.report import build_report
from crew.reports.text import summary_lines
from crew.settings.loader import load_settings


def report(options: argparse.Namespace) -> int:
    settings = load_settings(options.config)
    path = settings.state_dir / "journal.db"
    if not path.exists():
        raise mistake("RUN", f"there is no run yet in {settings.state_dir}/")
    with Journal.open(path, SystemClock()) as journal:
        if options.run is None:
            record = next(iter(journal.runs(limit=1)), None)
        else:
            record = journal.run(options.run)
        if record is None:
            raise mistake("RUN", f"no run {options.run or 'at all'} is in {path}")
        record = replace(record, status=_status_now(record))
        if options.json:
            print(_document(journal, record))
            return DONE
        print(f"run {record.run}: {record.status}; see {record.output}/")
        say(summary_lines(build_report(journal, record.run)))
    if record.status not in ("done", "running"):
        print(f"go on with: {resume_command(record.run, options)}")
    return DONE


def _status_now(record: RunRecord) -> str:
    """The run's status; `interrupted` when the process that ran it is gone."""
    if record.status != "running":
        return record.status
    try:
        # crew.lifecycle keeps this file locked while it runs.
        with (record.output / "inputs.json").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return "running"
    except FileNotFoundError:
        return "running"  # a script's own crew: only the script knows
    return "interrupted"


def _document(journal: Journal, record: RunRecord) -> str:
    """The record of a run as JSON: as it was written when the run ended, else what
    the journal knows."""
    written = record.output / "run.json"
    if record.status not in ("running", "interrupted") and written.exists():
        # Again as ASCII: models also write what takes a terminal over.
        return json.dumps(json.loads(written.read_text(encoding="utf-8")), indent=2)
    tasks = journal.tasks(record.run)
    files = {task.name: record.output / f"{task.name}.md" for task in tasks}
    document = run_document(
        build_report(journal, record.run),
        record,
        tasks,
        {n: f.read_text(encoding="utf-8") for n, f in files.items() if f.exists()},
        None,
        {"path": str(record.output / "workspace")},
        error=f"the run is {record.status}",
    )
    return json.dumps(document, indent=2)
