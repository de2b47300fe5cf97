"""`crew run`: a request, or a run that is resumed."""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import redirect_stdout, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from crew.cli.comment import comment, comment_mistakes, open_github
from crew.cli.console import (
    CLOSED,
    DONE,
    FAILED,
    OUTPUT,
    argument_error,
    argument_mistake,
    print_notice,
    print_safe,
    resume_command,
)
from crew.cli.place import placed
from crew.cli.readiness import import_lifecycle, prepare_state
from crew.cli.signals import Stopped, ignore_signals, run_in_thread, stoppable, wait_for
from crew.clock import SystemClock
from crew.errors import (
    CrewError,
    Mistake,
    QuotaExceeded,
    SettingsError,
)
from crew.journal import new_run_id
from crew.reports.text import summary_lines, task_lines
from crew.runs.directory import RunDirectory
from crew.settings import Inputs, Settings
from crew.settings.check_inputs import check_file, check_inputs
from crew.settings.check_tasks import check_human_input
from crew.settings.environment import is_text
from crew.settings.loader import load_settings
from crew.settings.placeholders import check_placeholders

if TYPE_CHECKING:
    from crew.runs.ending import Outcome, Underway

STARTING_SECONDS = 10.0
"""How long a run that is interrupted while it starts, or ends, may take for that."""
FILES_SHOWN = 20
_NO_USE = (
    "waiting does not help, as nothing here opens by itself: mend what is named above, "
    "set a key or add credit, raise the limit (providers.yaml; budgets, quotas in "
    "tiers.yaml), or give the tier another deployment (tiers.yaml)"
)


def run(options: argparse.Namespace) -> int:
    """Carry out a run, and print what came of it; returns the exit code."""
    with stoppable():
        settings, inputs = _checked(options)
        github = open_github(options.config) if options.post else None
        outcome = _outcome(settings, inputs, options)
    code = _show(outcome, options)
    if options.comment is None:
        return code
    if outcome.error is not None:
        print("crew: there is no comment: the run has no result", file=sys.stderr)
        return code
    return comment(outcome, settings, options, github)


def _outcome(
    settings: Settings, inputs: Inputs | None, options: argparse.Namespace
) -> "Outcome":
    """Carry out a run; does not come back from one that is interrupted."""
    run = options.resume or new_run_id(SystemClock())
    if inputs is not None or (OUTPUT / run).exists():
        prepare_state(settings.state_dir)
    underway: Future[Underway] = Future()
    # CrewAI prints panels of its own; stdout is for the result.
    with redirect_stdout(sys.stderr):
        lifecycle = import_lifecycle(settings)
        if inputs is None:
            work = partial(lifecycle.resumed, settings, run)
        else:
            work = partial(lifecycle.execute, settings, inputs, run_id=run)
        outcome: Future[Outcome] = run_in_thread(
            partial(
                work, output=OUTPUT, listener=print_notice, started=underway.set_result
            )
        )
        try:
            return wait_for(outcome)
        except KeyboardInterrupt as exc:
            ignore_signals()
            stopped = Stopped.by(exc)
    ended = _interrupted(underway, outcome, str(stopped))
    return _leave(run, ended, stopped, options)


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
    run: str, outcome: "Outcome | None", stopped: Stopped, options: argparse.Namespace
) -> NoReturn:
    """End at once, while the crew is still waiting for an answer."""
    with suppress(OSError):  # the terminal may be what is gone
        print_safe(f"crew: {stopped}", file=sys.stderr)
        if RunDirectory(OUTPUT / run).is_begun:
            print_safe(
                f"crew: go on with: {resume_command(run, options)}", file=sys.stderr
            )
        if options.json:
            document = outcome.document if outcome else {"error": [str(stopped)]}
            print(json.dumps(document, indent=2))
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(stopped.exit_code)


def _checked(options: argparse.Namespace) -> tuple[Settings, Inputs | None]:
    """The settings, and what to work on; None is for a run that is resumed. Raises
    SettingsError with everything that is wrong with both."""
    values, mistakes = _values(options.input)
    mistakes += comment_mistakes(options) + _repository_mistakes(options)
    given = None
    mistakes += _not_text({"REQUEST": options.request or "", **values})
    if options.request is not None:
        given = Inputs(
            request=options.request,
            repositories=tuple(options.repo),
            here=not options.no_repo,
            images=tuple(options.image),
            values=values,
        )
        mistakes += check_inputs(given)
    try:
        settings = load_settings(placed(options.config))
    except SettingsError as exc:
        raise SettingsError([*exc.mistakes, *mistakes]) from None
    if not sys.stdin.isatty():
        mistakes += check_human_input(settings)
    if options.resume is not None:
        if given or _names_work(options) or options.input:
            raise argument_error(
                "--resume", "a resumed run keeps its request and inputs"
            )
        if mistakes:
            raise SettingsError(mistakes)
        return settings, None
    if given is None:
        if settings.inputs is None or _names_work(options):
            raise argument_error(
                "REQUEST", "say what to do: crew run 'REQUEST' --repo PATH"
            )
        given = replace(settings.inputs, values={**settings.inputs.values, **values})
        mistakes += check_file(settings.config_dir / "inputs.yaml", given)
    mistakes += check_placeholders(settings, given)
    if mistakes:
        raise SettingsError(mistakes)
    return settings, given


def _names_work(options: argparse.Namespace) -> bool:
    """Whether an argument says what a request is about."""
    return bool(options.repo or options.no_repo or options.image)


def _repository_mistakes(options: argparse.Namespace) -> list[Mistake]:
    if options.repo and options.no_repo:
        return [argument_mistake("--no-repo", "--repo names one")]
    return []


def _values(pairs: Sequence[str]) -> tuple[dict[str, str], list[Mistake]]:
    values: dict[str, str] = {}
    mistakes: list[Mistake] = []
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if equals and key:
            values[key] = value
        else:
            message = f"{pair!r} is not of the form K=V"
            mistakes.append(argument_mistake("--input", message))
    return values, mistakes


def _not_text(arguments: Mapping[str, str]) -> list[Mistake]:
    return [
        argument_mistake(name, "not UTF-8")
        for name, text in arguments.items()
        if not is_text(text)
    ]


def _show(outcome: "Outcome", options: argparse.Namespace) -> int:
    if options.json:
        print(json.dumps(outcome.document, indent=2))
    else:
        if outcome.raw:
            print_safe(f"{outcome.raw}\n")
        print_safe(summary_lines(outcome.report))
        for line in task_lines(outcome.document["tasks"]):
            print_safe(line)
        print(f"\nrun {outcome.run_id}: {outcome.status}; see {outcome.output}/")
        for line in _changes(outcome.document["workspace"]):
            print_safe(f"  {line}")
    if outcome.error is None:
        return DONE
    print_safe(f"crew: {outcome.error}", file=sys.stderr)
    again = resume_command(outcome.run_id, options)
    if not isinstance(outcome.error, QuotaExceeded):
        print(f"crew: go on with: {again}", file=sys.stderr)
        return FAILED
    if outcome.error.opens_at is None:
        print(f"crew: {_NO_USE}; then go on with: {again}", file=sys.stderr)
    else:
        print(f"crew: go on with: {again}", file=sys.stderr)
    return CLOSED


def _changes(workspace: Mapping[str, Any]) -> Iterator[str]:
    """Where to look at what the crew wrote."""
    for repository in workspace["repositories"]:
        source, branch = repository["source"], repository["branch"]
        if branch is None:
            yield f"{source} is in no commit: see the copy {repository['path']}"
        elif repository["files"]:
            yield f"git -C {shlex.quote(source)} diff HEAD...{branch}"
        else:
            yield f"nothing changed in {source}"
    files = workspace.get("files", [])
    if files and workspace["repositories"]:
        yield f"outside the repositories, in {workspace['path']}:"
    elif files:
        yield f"written in {workspace['path']}:"
    yield from (f"  {name}" for name in files[:FILES_SHOWN])
    if len(files) > FILES_SHOWN:
        yield f"  and {len(files) - FILES_SHOWN} more"
