"""`crew run`: a request, or a run that is resumed."""

import json
import os
import sys
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import redirect_stdout, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import click

from crew.cli.comment import comment, open_github
from crew.cli.console import (
    CLOSED,
    DONE,
    FAILED,
    OUTPUT,
    error_lines,
    print_safe,
    refuse_together,
)
from crew.cli.ending import show_end
from crew.cli.following import Follower, announced, follower
from crew.cli.preview import previewed
from crew.cli.readiness import import_lifecycle, prepare_state
from crew.cli.run_options import RunOptions, checked
from crew.cli.signals import Stopped, ignore_signals, run_in_thread, stoppable, wait_for
from crew.clock import SystemClock
from crew.errors import (
    CrewError,
    QuotaExceeded,
)
from crew.guard.budgets import BudgetReached
from crew.journal import new_run_id
from crew.progress.progress import Progress
from crew.runs.directory import RunDirectory
from crew.settings import Inputs, Settings

if TYPE_CHECKING:
    from crew.runs.ending import Outcome, Underway

STARTING_SECONDS = 10.0
"""How long a run that is interrupted while it starts, or ends, may take for that."""
_NO_USE = (
    "waiting does not help, as nothing here opens by itself: mend what is named above, "
    "set a key or add credit, raise the limit (providers.yaml; budgets, quotas in "
    "tiers.yaml), or give the tier another deployment (tiers.yaml)"
)


@click.command(help="Run the crew on a request (default: what inputs.yaml says).")
@click.argument("words", nargs=-1, metavar="[REQUEST]")
@click.option(
    "--repo",
    multiple=True,
    metavar="PATH",
    help="A repository to work on, in a worktree of its own; may be repeated "
    "(default: the current one).",
)
@click.option(
    "--no-repo",
    is_flag=True,
    help="Work in an empty workspace, not on the current repository.",
)
@click.option(
    "--image",
    multiple=True,
    metavar="PATH",
    help="An image file or an http(s) address to look at; may be repeated.",
)
@click.option(
    "--input",
    multiple=True,
    metavar="K=V",
    help="The text of a placeholder {K} of the YAML; may be repeated.",
)
@click.option(
    "--check",
    multiple=True,
    metavar="NAME=COMMAND",
    help='A command that proves the work, such as test="npm test"; may be repeated.',
)
@click.option("--resume", metavar="RUN", help="Continue a run; finished tasks stay.")
@click.option(
    "--comment",
    metavar="OWNER/REPO#NUMBER",
    help="Show the comment for this GitHub issue: the description of the images, or "
    "else the result.",
)
@click.option(
    "--post",
    is_flag=True,
    help="Post that comment; needs GITHUB_TOKEN (exit code 1 if posting fails).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "--json-stream",
    is_flag=True,
    help="Print each event as one line of JSON; the last one has the run.",
)
@click.option("--quiet", is_flag=True, help="Print nothing but the end of the run.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show what the run will take and who serves it; start nothing, call nothing.",
)
@click.option("--yes", is_flag=True, help="Start a run that does not fit, too.")
@click.option(
    "--view",
    type=click.Choice(["live", "lines"]),
    help="Lines alone, or with a board of the tasks below them (default: the board on "
    "a terminal).",
)
@click.pass_obj
def command(config: str | None, /, **given: Any) -> int:
    """Carry out what the arguments ask for; returns the exit code."""
    return run(RunOptions(config=config, **given))


def run(options: RunOptions) -> int:
    """Carry out a run, and print what came of it; returns the exit code."""
    if options.as_json:
        refuse_together({"--json-stream": options.json_stream}, "--json")
    shown = follower(quiet=options.quiet, stream=options.json_stream, view=options.view)
    try:
        with stoppable():
            settings, inputs = checked(options)
            code = previewed(settings, inputs, options)
            if code is not None:
                return code
            github = open_github(options.config) if options.post else None
            outcome = carry_out(settings, inputs, options, shown)
    except (CrewError, KeyboardInterrupt) as exc:
        shown.end(None, error_lines(exc))
        raise
    code = _show(outcome, options, shown)
    if options.comment is None:
        return code
    if outcome.error is not None:
        print("crew: there is no comment: the run has no result", file=sys.stderr)
        return code
    return comment(outcome, settings, options, github)


def carry_out(
    settings: Settings,
    inputs: Inputs | None,
    options: RunOptions,
    shown: Follower,
) -> "Outcome":
    """Carry out a run; does not come back from one that is interrupted."""
    run = options.resume or new_run_id(SystemClock())
    if inputs is not None or (OUTPUT / run).exists():
        prepare_state(settings.state_dir)
    progress = Progress(run, secrets=settings.secrets, listeners=[shown])
    progress.publish(announced(run, inputs))
    underway: Future[Underway] = Future()
    _let_control(shown, settings, underway, progress)
    # CrewAI prints panels of its own; stdout is for the result.
    with redirect_stdout(sys.stderr):
        lifecycle = import_lifecycle(settings)
        if inputs is None:
            work = partial(lifecycle.resumed, settings, run)
        else:
            work = partial(lifecycle.execute, settings, inputs, run_id=run)
        outcome: Future[Outcome] = run_in_thread(
            partial(work, output=OUTPUT, progress=progress, started=underway.set_result)
        )
        try:
            return wait_for(outcome)
        except KeyboardInterrupt as exc:
            ignore_signals()
            stopped = Stopped.by(exc)
    ended = _interrupted(underway, outcome, str(stopped))
    return _leave(run, ended, stopped, options, shown)


def _let_control(
    shown: Follower,
    settings: Settings,
    underway: "Future[Underway]",
    progress: Progress,
) -> None:
    """Let the keys of a live view do something, once the run has begun."""
    # On use: only a live view needs it.
    from crew.cli.live.controls import asks_a_person, budget_of_run, controls
    from crew.cli.live.view import LiveView

    if isinstance(shown, LiveView):
        shown.budget, shown.tail = budget_of_run(settings), progress.tail
        if asks_a_person(settings):
            shown.leave_keys()
        underway.add_done_callback(
            lambda begun: shown.control(controls(begun.result()))
        )


def _interrupted(
    underway: "Future[Underway]", outcome: "Future[Outcome]", reason: str
) -> "Outcome | None":
    """Interrupt a run, and say how it ended; None for one that had not started."""
    either: list[Future[Any]] = [underway, outcome]
    wait(either, STARTING_SECONDS, FIRST_COMPLETED)
    try:
        ended: Outcome | None = underway.result(0).interrupt(reason)
        return ended or outcome.result(STARTING_SECONDS)
    except (CrewError, TimeoutError):
        return None


def _leave(
    run: str,
    outcome: "Outcome | None",
    stopped: Stopped,
    options: RunOptions,
    shown: Follower,
) -> NoReturn:
    """End at once, while the crew is still waiting for an answer."""
    with suppress(OSError):  # the terminal may be what is gone
        shown.release()
        print_safe(f"crew: {stopped}", file=sys.stderr)
        if RunDirectory(OUTPUT / run).is_begun:
            print_safe(
                f"crew: go on with: {options.resume_command(run)}", file=sys.stderr
            )
        if options.as_json:
            document = outcome.document if outcome else {"error": [str(stopped)]}
            print(json.dumps(document, indent=2))
        shown.end(outcome.document if outcome else None, [str(stopped)])
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(stopped.exit_code)


def _show(outcome: "Outcome", options: RunOptions, shown: Follower) -> int:
    shown.end(outcome.document)
    if options.as_json:
        print(json.dumps(outcome.document, indent=2))
    elif not options.json_stream:
        if outcome.raw:
            print_safe(f"{outcome.raw}\n")
        show_end(outcome.document, outcome.report, outcome.output, options.config)
    if outcome.error is None:
        return DONE
    print_safe(f"crew: {outcome.error}", file=sys.stderr)
    again = options.resume_command(outcome.run_id)
    if not isinstance(outcome.error, QuotaExceeded):
        print(f"crew: go on with: {again}", file=sys.stderr)
        return FAILED
    if isinstance(outcome.error, BudgetReached) and outcome.error.asks:
        more = f"crew approve {outcome.run_id} --more 2usd"
        print(f"crew: approve more: {more}; then go on with: {again}", file=sys.stderr)
    elif outcome.error.opens_at is None:
        print(f"crew: {_NO_USE}; then go on with: {again}", file=sys.stderr)
    else:
        print(f"crew: go on with: {again}", file=sys.stderr)
    return CLOSED
