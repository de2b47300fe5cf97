"""`crew approve`: more for a run that a budget paused."""

import re

import click

from crew.cli.console import DONE, argument_error, print_notice, resume_command
from crew.cli.place import placed
from crew.cli.settings_of import settings_of
from crew.clock import SystemClock
from crew.journal import Journal, journal_file
from crew.journal.approvals import ApprovalRecord
from crew.quota.limit_syntax import LimitSyntaxError, parse_limit
from crew.quota.limits import Limit, Metric

_AMOUNT = re.compile(r"([\d_.]+\s*[KMB]?)\s*([a-z_]+)")


@click.command(
    help="Raise the budget of a run that is paused: its budgets per run, and those "
    "with `then: ask`. It counts from when the run is resumed."
)
@click.argument("run")
@click.option(
    "--more",
    required=True,
    metavar="AMOUNT",
    help="How much, such as 2usd or '500K tokens'.",
)
@click.pass_obj
def command(config: str | None, run: str, more: str) -> int:
    """Note what is approved; returns the exit code."""
    limit = _amount(more)
    settings = settings_of(placed(config))
    path, clock = journal_file(settings.state_dir), SystemClock()
    if not path.exists():
        raise argument_error("RUN", f"there is no run {run}")
    with Journal.open(path, clock, print_notice) as journal:
        record = journal.run(run)
        if record is None:
            raise argument_error("RUN", f"there is no run {run}")
        if record.status == "done":
            raise argument_error("RUN", f"{run} is done: it spends nothing more")
        journal.approvals.add(
            ApprovalRecord(
                run=run,
                metric=limit.metric,
                amount=limit.amount,
                at=clock.now(),
                user=settings.user,
            )
        )
    print(f"run {run}: {limit.shown(limit.amount)} {limit.metric} more")
    print(f"go on with: {resume_command(run, config)}")
    return DONE


def _amount(text: str) -> Limit:
    match = _AMOUNT.fullmatch(text.strip())
    try:
        limit = parse_limit(f"{match[1]} {match[2]}/run" if match else text)
    except LimitSyntaxError:
        limit = None
    if limit is None or limit.metric is Metric.CONCURRENT or not limit.amount:
        raise argument_error(
            "--more", f"{text!r} is no amount; allowed: 2usd, 500K tokens, 20 requests"
        )
    return limit
