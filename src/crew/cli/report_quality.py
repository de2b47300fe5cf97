"""`crew report --fallbacks` and `--marks`: how well deployments serve."""

import json

from crew.cli.console import DONE, print_safe, refuse_together
from crew.cli.past import past_runs
from crew.cli.place import placed
from crew.cli.report_run import RunReportOptions
from crew.cli.report_time import begin_of_month
from crew.clock import SystemClock
from crew.reports.document import iso_moment
from crew.reports.fallbacks import fallback_documents, fallback_lines, fallback_rows
from crew.reports.marks import mark_documents, mark_lines, mark_rows
from crew.settings.loader import load_tiers

USUAL = 30 * 86_400.0
"""Seconds that the reports look back by themselves."""


def report_quality(
    asked: RunReportOptions,
    since: float | None,
    *,
    month: bool,
    fallbacks: bool,
    marks: bool,
) -> int:
    """Print one or both of a stretch of time; `since` is its length in seconds.
    Returns the exit code. Raises SettingsError and StoreUnavailable."""
    _refuse(asked, both=since is not None and month)
    settings, clock = load_tiers(placed(asked.config)), SystemClock()
    begin = clock.now() - (USUAL if since is None else since)
    if month:
        begin = begin_of_month(clock)
    document: dict[str, object] = {"since": iso_moment(begin)}
    texts = []
    with past_runs(settings) as journal:
        if fallbacks:
            # Past the present: what is written meanwhile counts, too.
            rows = fallback_rows(journal.stretch(begin, clock.now() + 1))
            document["fallbacks"] = fallback_documents(rows)
            texts.append(fallback_lines(rows))
        if marks:
            marked = mark_rows(journal.marks.since(begin))
            document["marks"] = mark_documents(marked)
            texts.append(mark_lines(marked))
    print_safe(json.dumps(document, indent=2) if asked.as_json else "\n\n".join(texts))
    return DONE


def _refuse(asked: RunReportOptions, *, both: bool) -> None:
    """What does not go together. Raises SettingsError."""
    given = {
        "RUN": asked.run is not None,
        "--why": asked.why is not None,
        "--with-texts": asked.with_texts,
        "--csv": asked.as_csv,
        "--html": asked.html is not None,
    }
    refuse_together(given, "--fallbacks, --marks")
    refuse_together({"--month": both}, "--since")
