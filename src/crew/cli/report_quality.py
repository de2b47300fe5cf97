"""`crew report --fallbacks` and `--marks`: how well deployments serve."""

import json

from crew.cli.console import DONE, argument_error, print_notice, print_safe
from crew.cli.place import placed
from crew.cli.report_run import RunReportOptions
from crew.cli.report_time import begin_of_month
from crew.clock import SystemClock
from crew.journal import Journal
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
    path = settings.state_dir / "journal.db"
    if not path.exists():
        raise argument_error("RUN", f"there is no run yet in {settings.state_dir}/")
    document: dict[str, object] = {"since": iso_moment(begin)}
    texts = []
    with Journal.open(path, clock, print_notice) as journal:
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
    for name, is_given in given.items():
        if is_given:
            message = "it does not go together with --fallbacks, --marks"
            raise argument_error(name, message)
    if both:
        raise argument_error("--month", "it does not go together with --since")
