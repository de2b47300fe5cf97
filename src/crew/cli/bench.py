"""`crew bench`."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from crew.alerts import Alerts
from crew.cli.console import DONE, FAILED, argument_error, print_notice, print_safe
from crew.cli.known_runs import Age
from crew.cli.place import placed
from crew.clock import SystemClock
from crew.guard import Bench, QuotaGuard
from crew.journal import Journal, journal_file
from crew.progress.progress import Progress
from crew.reports.benches import bench_documents, bench_lines
from crew.settings import Settings
from crew.settings.loader import load_tiers
from crew.settings.wording import unknown

_USUAL = 7_200.0
_REASON = 200
"""Characters of a reason that are kept."""


@click.command(
    help="Take a deployment out of use for a while, for everybody who shares the "
    "store, or put it back; without a deployment: list those that are benched."
)
@click.argument("deployment", required=False, metavar="[DEPLOYMENT]")
@click.option(
    "--for", "seconds", type=Age(), metavar="AGE", help="How long (default: 2h)."
)
@click.option("--why", metavar="TEXT", help="The reason, which others read.")
@click.option("--lift", is_flag=True, help="Put the deployment back into use.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def command(
    config: str | None,
    deployment: str | None,
    seconds: float | None,
    why: str | None,
    lift: bool,
    as_json: bool,
) -> int:
    """Bench a deployment, lift its bench, or list them; returns the exit code."""
    settings = load_tiers(placed(config))
    if lift and (seconds is not None or why is not None):
        raise argument_error("--lift", "it does not go together with --for, --why")
    if deployment is None and (lift or seconds is not None or why is not None):
        raise argument_error("DEPLOYMENT", "name the deployment")
    if deployment is not None and deployment not in settings.deployments:
        message = unknown("deployment", deployment, list(settings.deployments))
        raise argument_error("DEPLOYMENT", message)
    guard = QuotaGuard.open(settings, listener=print_notice)
    try:
        code, said = DONE, ""
        if deployment is not None and lift:
            code, said = _lift(guard, settings, deployment)
        elif deployment is not None:
            said = _bench(guard, settings, deployment, seconds or _USUAL, why)
        _show(guard.benches.standing(), said, as_json)
        return code
    finally:
        guard.close()


def _bench(
    guard: QuotaGuard,
    settings: Settings,
    deployment: str,
    seconds: float,
    why: str | None,
) -> str:
    """Bench it; returns what a person is to know."""
    given = " ".join(settings.secrets.masked(why or "by hand").split())[:_REASON]
    closes = guard.benches.closes(deployment)
    bench = guard.benches.put(deployment, seconds=seconds, reason=given)
    _note(settings, deployment, bench.until, given)
    until = datetime.fromtimestamp(bench.until, UTC)
    said = f"{deployment} is benched until {until:%Y-%m-%d %H:%M UTC}: {given}"
    return f"{said}\nnothing else is open in {closes}" if closes else said


def _lift(guard: QuotaGuard, settings: Settings, deployment: str) -> tuple[int, str]:
    if not guard.benches.lift(deployment):
        return FAILED, f"{deployment} is not benched"
    _note(settings, deployment, SystemClock().now(), "lifted")
    return DONE, f"{deployment} is in use again; its outcomes count from now on"


def _note(settings: Settings, deployment: str, until: float, reason: str) -> None:
    """Let the journal know since when outcomes count. A lifted bench ends what was
    found before."""
    clock = SystemClock()
    path = journal_file(settings.state_dir)
    with Journal.open(path, clock, print_notice) as journal:
        now = clock.now()
        journal.regressions.benched(deployment, until, reason, now)
        if until <= now:
            alerts = Alerts(settings, journal, Progress(), clock)
            for one in journal.regressions.standing():
                if one.deployment == deployment:
                    journal.regressions.end(one, "its bench was lifted", now)
                    alerts.end(one.key)


def _show(benches: Sequence[Bench], said: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"benches": bench_documents(benches)}, indent=2))
        return
    lines = said.splitlines() or bench_lines(benches, SystemClock().now())
    for line in lines or ["No deployment is benched."]:
        print_safe(line)
