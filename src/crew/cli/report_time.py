"""`crew report --since 7d` and `--month`: a stretch of time."""

import json
from datetime import datetime
from pathlib import Path

from crew.cli.console import argument_error, print_notice, print_safe
from crew.cli.past import past_runs
from crew.clock import Clock, SystemClock
from crew.journal import Journal, Stretch
from crew.reports.fallbacks import fallback_rows
from crew.reports.history import history
from crew.reports.history_document import calls_csv, history_document, history_lines
from crew.reports.marks import mark_rows
from crew.runs.experiments import finding_of
from crew.settings import Settings


def begin_of_month(clock: Clock) -> float:
    """The first moment of this month, where the user is; in seconds since the epoch."""
    here = datetime.fromtimestamp(clock.now()).astimezone()
    return here.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()


def report_time(
    settings: Settings,
    since: float,
    *,
    as_json: bool = False,
    as_csv: bool = False,
    html: Path | None = None,
) -> None:
    """Print, or write, what happened since a moment. Raises SettingsError and
    StoreUnavailable."""
    with past_runs(settings) as journal:
        # Past the present: what is written meanwhile counts, too.
        stretch = journal.stretch(since, SystemClock().now() + 1)
        if html is not None:
            write_page(html, _page(journal, settings, stretch))
    if as_csv:
        for line in calls_csv(stretch.calls):
            print_safe(line)
    elif as_json:
        print(json.dumps(history_document(history(stretch)), indent=2))
    elif html is None:
        print_safe(history_lines(history(stretch)))


def _page(journal: Journal, settings: Settings, stretch: Stretch) -> str:
    # On use: templates take a while to load.
    from crew.reports.page.history_page import history_page
    from crew.reports.page.tables import (
        experiments_table,
        fallbacks_table,
        marks_table,
    )

    tried = {one.experiment for one in stretch.attempts if one.experiment}
    findings = [
        finding_of(journal, settings.experiments, name) for name in sorted(tried)
    ]
    tables = (
        fallbacks_table(fallback_rows(stretch)),
        experiments_table(findings),
        marks_table(mark_rows(journal.marks.since(stretch.since))),
    )
    return history_page(history(stretch), tables=tables)


def write_page(path: Path, page: str) -> None:
    """Write a page, for its user alone. Raises SettingsError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(page, encoding="utf-8")
    except OSError as exc:
        raise argument_error("--html", f"{path}: {exc.strerror}") from exc
    print_notice(f"written: {path} ({len(page) / 1000:,.0f} kB)")
