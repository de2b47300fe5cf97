"""`crew report`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from crew.cli.console import DONE, refuse_together
from crew.cli.experiments import EVERY
from crew.cli.experiments import report as report_experiments
from crew.cli.known_runs import Age
from crew.cli.place import placed
from crew.cli.report_quality import report_quality
from crew.cli.report_run import RunReportOptions, report_run
from crew.cli.report_time import begin_of_month, report_time
from crew.cli.settings_of import settings_or_tiers
from crew.clock import SystemClock
from crew.settings.loader import load_tiers


@click.command(help="Show what a run did and what it cost (default: the latest).")
@click.argument("run", required=False, metavar="[RUN]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the calls as CSV.")
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write one page that opens in any browser, without a network.",
)
@click.option(
    "--with-texts", is_flag=True, help="With results and diffs on the page of a run."
)
@click.option(
    "--why",
    metavar="TASK",
    help="Tell the story of one task: its attempts, what decided each, what it cost.",
)
@click.option(
    "--since", type=Age(), metavar="AGE", help="All runs of the last 12h, 7d, 2w."
)
@click.option("--month", is_flag=True, help="All runs of this calendar month.")
@click.option(
    "--experiment",
    is_flag=False,
    flag_value=EVERY,
    metavar="[NAME]",
    help="Say which arm of an experiment is better so far (default: of each).",
)
@click.option(
    "--fallbacks",
    is_flag=True,
    help="How often each fallback served, and how well, beside the first.",
)
@click.option(
    "--marks", is_flag=True, help="What people think of the answers (crew review)."
)
@click.pass_obj
def command(
    config: str | None,
    /,
    since: float | None,
    month: bool,
    experiment: str | None,
    fallbacks: bool,
    marks: bool,
    **options: Any,
) -> int:
    """Print what a run, or all runs of a time, did and cost; returns the exit code."""
    asked = RunReportOptions(config=config, **options)
    _refuse_two_forms(asked)
    if experiment is not None:
        others = {
            "--since, --month": since is not None or month,
            "--fallbacks": fallbacks,
            "--marks": marks,
        }
        _refuse_experiment(asked, others)
        return report_experiments(config, experiment, as_json=asked.as_json)
    if fallbacks or marks:
        return report_quality(
            asked, since, month=month, fallbacks=fallbacks, marks=marks
        )
    if since is None and not month:
        return report_run(asked)
    _refuse(asked, both=since is not None and month)
    clock, place = SystemClock(), placed(config)
    report_time(
        # The page has the experiments, too.
        load_tiers(place) if asked.html is None else settings_or_tiers(place),
        begin_of_month(clock) if since is None else clock.now() - since,
        as_json=asked.as_json,
        as_csv=asked.as_csv,
        html=asked.html,
    )
    return DONE


def _refuse_two_forms(asked: RunReportOptions) -> None:
    """Two forms of one report: only one would be printed. Raises SettingsError."""
    csv, html = {"--csv": asked.as_csv}, {"--html": asked.html is not None}
    if asked.as_json:
        refuse_together(csv | html, "--json")
    if asked.as_csv:
        refuse_together(html, "--csv")
    if asked.why is not None:
        refuse_together(csv | html, "--why")


def _refuse_experiment(asked: RunReportOptions, others: Mapping[str, bool]) -> None:
    """What does not go together with an experiment, which is of all runs. Raises
    SettingsError."""
    given = {
        "RUN": asked.run is not None,
        "--csv": asked.as_csv,
        "--html": asked.html is not None,
        "--why": asked.why is not None,
        "--with-texts": asked.with_texts,
        **others,
    }
    refuse_together(given, "--experiment")


def _refuse(asked: RunReportOptions, *, both: bool) -> None:
    """What does not go together with a stretch of time. Raises SettingsError."""
    given = {
        "RUN": asked.run is not None,
        "--why": asked.why is not None,
        "--with-texts": asked.with_texts,
    }
    refuse_together(given, "--since, --month")
    refuse_together({"--month": both}, "--since")
