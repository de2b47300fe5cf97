"""`crew run --dry-run`, and the question before a run that does not fit."""

import json
import sys
from pathlib import Path

from crew.cli.console import DONE, FAILED, argument_error, print_notice, print_safe
from crew.cli.run_options import RunOptions
from crew.clock import SystemClock
from crew.forecast import (
    Estimate,
    Fit,
    estimate,
    fit,
    forecast_document,
    forecast_lines,
)
from crew.guard import QuotaGuard
from crew.journal import Journal, journal_file
from crew.quota.stores.memory import MemoryStore
from crew.runs.rehearsal import needed
from crew.settings import Inputs, Settings, TaskSpec

_FILE = "sqlite:///"


def previewed(
    settings: Settings, inputs: Inputs | None, options: RunOptions
) -> int | None:
    """Look at what a run will take, before it starts. The exit code where it does not
    start, as it was only looked at, or as a person said so; else None.

    Raises SettingsError where the run does not fit and nobody can be asked.
    """
    if inputs is None:
        if options.dry_run:
            raise argument_error("--dry-run", "only a new run can be looked at")
        return None
    if not options.dry_run and (options.yes or needed(settings)):
        return None
    tasks = [
        task
        for task in settings.tasks.values()
        if task.when != "images" or inputs.images
    ]
    found = _estimate(settings, tasks)
    now, high = _fits(settings, found) if found.count else (None, None)
    lines = list(forecast_lines(found, now, high, [task.name for task in tasks]))
    if options.dry_run:
        if options.as_json or options.json_stream:
            print(json.dumps(forecast_document(found, now, high), indent=2))
        else:
            for line in lines:
                print_safe(line)
        return DONE
    if now is None or now.fits or not found.is_firm:
        return None
    return _asked(lines, options)


def _asked(lines: list[str], options: RunOptions) -> int | None:
    silent = options.as_json or options.json_stream or options.quiet
    if silent or not sys.stdin.isatty():
        missing = "; ".join(line.strip() for line in lines if "no room" in line)
        raise argument_error(
            "--yes", f"the run does not fit: {missing}; --yes starts it all the same"
        )
    for line in lines:
        print_safe(line, file=sys.stderr)
    try:
        agreed = input("Start it all the same? [y/N] ").strip().casefold()
    except EOFError:
        agreed = ""
    return None if agreed in ("y", "yes") else FAILED


def _estimate(settings: Settings, tasks: list[TaskSpec]) -> Estimate:
    path = journal_file(settings.state_dir)
    if not path.exists():
        return Estimate()
    with Journal.open(path, SystemClock(), print_notice) as journal:
        runs = journal.past_runs([task.name for task in tasks])
        by_kind = {} if runs else journal.past_tasks()
        return estimate(settings, tasks, runs, by_kind)


def _fits(settings: Settings, found: Estimate) -> tuple[Fit, Fit]:
    """By the median, and by the 90 %."""
    url = settings.store_url
    if url.startswith(_FILE) and not Path(url.removeprefix(_FILE)).exists():
        # Nothing was counted yet, and a look makes no file.
        clock = SystemClock()
        guard = QuotaGuard(settings, MemoryStore(clock), clock, print_notice)
    else:
        guard = QuotaGuard.open(settings, listener=print_notice)
    try:
        return fit(guard, found.roles), fit(guard, found.roles_high)
    finally:
        guard.close()
