"""The `crew` command."""

import argparse
import fcntl
import io
import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from dotenv import dotenv_values

from crew.check.deployments import check_deployments
from crew.check.roles import unmet
from crew.cli.arguments import parser
from crew.cli.signals import Stopped, awaited, ignore_signals, in_a_thread, stoppable
from crew.clock import SystemClock
from crew.emulator.process import serve_forever
from crew.errors import (
    CrewError,
    Mistake,
    QuotaExceeded,
    SettingsError,
    StoreUnavailable,
)
from crew.guard import QuotaGuard
from crew.journal import Journal, RunRecord, new_run_id
from crew.reports.github_comment import (
    CommentFailed,
    GitHub,
    comment_on,
    parse_issue,
    results_of,
)
from crew.reports.report import build_report, run_document, status_document
from crew.reports.text import status_lines, summary_lines, visible
from crew.settings import Inputs, Settings
from crew.settings.check_inputs import check_file, check_inputs
from crew.settings.loader import check_placeholders, load_settings

if TYPE_CHECKING:
    from crewai import Crew

    from crew.providers.probe import Account
    from crew.runs.lifecycle import Outcome, Underway

DONE, FAILED, MISTAKEN, CLOSED = 0, 1, 2, 75
OUTPUT = Path("output")
"""Where runs go, below the working directory."""
STARTING_SECONDS = 10.0
"""How long a run that is interrupted while it starts, or ends, may take for that."""
FILES_SHOWN = 20
_NO_USE = (
    "waiting does not help, as nothing here opens by itself: set a key or add credit, "
    "raise the limit (providers.yaml; budgets, quotas in tiers.yaml), or give the tier "
    "another deployment (tiers.yaml)"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = parser(_COMMANDS).parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Models write what a terminal, or UTF-8, cannot say.
            stream.reconfigure(errors="backslashreplace")
    try:
        return int(options.command(options))
    except CrewError as exc:
        return _refuse(exc, as_json=getattr(options, "json", False))
    except KeyboardInterrupt as exc:
        stopped = Stopped.by(exc)
        print(f"crew: {stopped}", file=sys.stderr)
        if getattr(options, "json", False) and options.command is _run:
            print(json.dumps({"error": [str(stopped)]}, indent=2))
        return stopped.exit_code
    except BrokenPipeError:  # as in `crew report | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _refuse(error: CrewError, *, as_json: bool) -> int:
    """Tell what kept a command from its work; returns the exit code."""
    lines = [str(error)]
    if isinstance(error, SettingsError):
        lines = [str(mistake) for mistake in error.mistakes]
    for line in lines:
        _say(f"crew: {line}", file=sys.stderr)
    if as_json:
        print(json.dumps({"error": lines}, indent=2))
    if isinstance(error, SettingsError):
        return MISTAKEN
    return CLOSED if isinstance(error, QuotaExceeded) else FAILED


def _run(options: argparse.Namespace) -> int:
    with stoppable():
        settings, inputs = _checked(options)
        github = _github() if options.post else None
        outcome = _outcome(settings, inputs, options)
    code = _show(outcome, options)
    if options.comment is None:
        return code
    if outcome.error is not None:
        print("crew: there is no comment: the run has no result", file=sys.stderr)
        return code
    return _comment(outcome, settings, options, github)


def _outcome(
    settings: Settings, inputs: Inputs | None, options: argparse.Namespace
) -> "Outcome":
    """Carry out a run; does not come back from one that is interrupted."""
    run = options.resume or new_run_id(SystemClock())
    if inputs is not None or (OUTPUT / run).exists():
        _ready(settings.state_dir)
    underway: Future[Underway] = Future()
    # CrewAI prints panels of its own; stdout is for the result.
    with redirect_stdout(sys.stderr):
        lifecycle = _lifecycle(settings)
        if inputs is None:
            work = partial(lifecycle.resumed, settings, run)
        else:
            work = partial(lifecycle.execute, settings, inputs, run_id=run)
        outcome: Future[Outcome] = in_a_thread(
            partial(work, output=OUTPUT, listener=_tell, started=underway.set_result)
        )
        try:
            return awaited(outcome)
        except KeyboardInterrupt as exc:
            ignore_signals()
            stopped = Stopped.by(exc)
    ended = _interrupted(underway, outcome, str(stopped))
    return _leave(run, ended, stopped, options)


def _ready(state_dir: Path) -> None:
    """Make the directory of our state. Raises StoreUnavailable."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        problem = "" if os.access(state_dir, os.W_OK | os.X_OK) else "not writable"
    except OSError as exc:
        problem = exc.strerror or str(exc)
    if problem:
        raise StoreUnavailable(
            f"{state_dir} cannot be used: {problem}; set CREW_STATE_DIR to a directory "
            "that can be written"
        )


def _comment(
    outcome: "Outcome",
    settings: Settings,
    options: argparse.Namespace,
    github: GitHub | None,
) -> int:
    """Post the comment, or show it. A post that fails leaves the run done, and can be
    tried again without paying for anything; only the exit code tells."""
    issue = parse_issue(options.comment)
    results = {task["name"]: task["result"] or "" for task in outcome.document["tasks"]}
    text = comment_on(outcome.run_id, results_of(settings, results, outcome.raw))
    rehearsal = outcome.document["rehearsal"]
    if github is not None and not rehearsal:
        try:
            print(f"· posted: {github.post(issue, text)}", file=sys.stderr)
        except CommentFailed as exc:
            _say(f"crew: {exc}", file=sys.stderr)
            again = _resuming(outcome.run_id, options)
            print(f"crew: try again with: {again}", file=sys.stderr)
            return FAILED
        return DONE
    out = sys.stderr if options.json else sys.stdout
    print(f"\nDRY RUN: the comment on {issue}, which is not posted:\n", file=out)
    _say(text, file=out)
    if rehearsal:
        print("\nA rehearsal's text is scripted; it is never posted.", file=out)
    else:
        again = _resuming(outcome.run_id, options)
        print(f"\nPost it with: {again} --post", file=out)
    return DONE


def _github() -> GitHub:
    """By `.env` of the working directory, below the environment. Raises
    SettingsError."""
    written = dotenv_values(Path.cwd() / ".env")
    known = {name: value for name, value in written.items() if value is not None}
    try:
        return GitHub.read({**known, **os.environ})
    except CommentFailed as exc:
        raise _mistake("--post", str(exc)) from None


def _interrupted(
    underway: "Future[Underway]", outcome: "Future[Outcome]", why: str
) -> "Outcome | None":
    """How a run ended that was told to; None for one that had not started."""
    either: list[Future[Any]] = [underway, outcome]
    wait(either, STARTING_SECONDS, FIRST_COMPLETED)
    try:
        ended: Outcome | None = underway.result(0).interrupt(why)
        return ended or outcome.result(STARTING_SECONDS)
    except (CrewError, TimeoutError):
        return None


def _leave(
    run: str, outcome: "Outcome | None", stopped: Stopped, options: argparse.Namespace
) -> NoReturn:
    """End at once, while the crew is still waiting for an answer."""
    with suppress(OSError):  # the terminal may be what is gone
        _say(f"crew: {stopped}", file=sys.stderr)
        if (OUTPUT / run / "inputs.json").exists():
            _say(f"crew: go on with: {_resuming(run, options)}", file=sys.stderr)
        if options.json:
            document = outcome.document if outcome else {"error": [str(stopped)]}
            print(json.dumps(document, indent=2))
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(stopped.exit_code)


def _lifecycle(settings: Settings) -> ModuleType:
    """`crew.runs.lifecycle`, without CrewAI's noise. Imported here: crewai and litellm
    take seconds."""
    os.environ.setdefault(
        "CREWAI_STORAGE_DIR", str(settings.state_dir.absolute() / "crewai")
    )
    from crew.runs import lifecycle

    lifecycle.quiet()
    return lifecycle


def _checked(options: argparse.Namespace) -> tuple[Settings, Inputs | None]:
    """The settings, and what to work on; None is for a run that is resumed. Raises
    SettingsError with everything that is wrong with both."""
    values, mistakes = _values(options.input)
    mistakes += _comment_mistakes(options)
    given = None
    if options.request is not None:
        given = Inputs(
            request=options.request,
            repositories=tuple(options.repo),
            images=tuple(options.image),
            values=values,
        )
        mistakes += check_inputs(given)
    try:
        settings = load_settings(options.config)
    except SettingsError as exc:
        raise SettingsError([*exc.mistakes, *mistakes]) from None
    if options.resume is not None:
        if given or options.repo or options.image or options.input:
            raise _mistake("--resume", "a resumed run keeps its request and inputs")
        if mistakes:
            raise SettingsError(mistakes)
        return settings, None
    if given is None:
        if settings.inputs is None or options.repo or options.image:
            raise _mistake("REQUEST", "say what to do: crew run 'REQUEST' --repo PATH")
        given = replace(settings.inputs, values={**settings.inputs.values, **values})
        mistakes += check_file(settings.config_dir / "inputs.yaml", given)
    mistakes += check_placeholders(settings, given)
    if mistakes:
        raise SettingsError(mistakes)
    return settings, given


def _values(pairs: Sequence[str]) -> tuple[dict[str, str], list[Mistake]]:
    values: dict[str, str] = {}
    mistakes: list[Mistake] = []
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if equals and key:
            values[key] = value
        else:
            message = f"{pair!r} is not of the form K=V"
            mistakes += _mistake("--input", message).mistakes
    return values, mistakes


def _comment_mistakes(options: argparse.Namespace) -> list[Mistake]:
    if options.comment is None:
        if options.post:
            return [*_mistake("--post", "say where: --comment OWNER/REPO#12").mistakes]
        return []
    try:
        parse_issue(options.comment)
    except ValueError as exc:
        return [*_mistake("--comment", str(exc)).mistakes]
    return []


def _mistake(key: str, message: str) -> SettingsError:
    return SettingsError(
        [Mistake(file="arguments", line=None, key=key, message=message)]
    )


def _tell(line: str) -> None:
    _say(f"· {line}", file=sys.stderr)
    sys.stderr.flush()


def _say(text: str, *, file: TextIO | None = None) -> None:
    """Print what models or providers may have written."""
    print(visible(text), file=file)


def _show(outcome: "Outcome", options: argparse.Namespace) -> int:
    if options.json:
        print(json.dumps(outcome.document, indent=2))
    else:
        if outcome.raw:
            _say(f"{outcome.raw}\n")
        _say(summary_lines(outcome.report))
        print(f"\nrun {outcome.run_id}: {outcome.status}; see {outcome.output}/")
        for line in _changes(outcome.document["workspace"]):
            _say(f"  {line}")
    if outcome.error is None:
        return DONE
    _say(f"crew: {outcome.error}", file=sys.stderr)
    again = _resuming(outcome.run_id, options)
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


def _resuming(run: str, options: argparse.Namespace) -> str:
    config = f" --config {shlex.quote(options.config)}" if options.config else ""
    comment = ""
    if getattr(options, "comment", None):  # `crew report` has no such option
        comment = f" --comment {shlex.quote(options.comment)}"
        comment += " --post" if options.post else ""
    return f"crew{config} run --resume {run}{comment}"


def _check(options: argparse.Namespace) -> int:
    settings = load_settings(options.config)
    if mistakes := _run_mistakes(settings):
        raise SettingsError(mistakes)
    print(f"configuration: {settings.config_dir} is well-formed")
    accounts: dict[str, Account] = {}
    if options.online:
        # Imported here: only this needs an HTTP client.
        from crew.check.online import ask_all

        accounts = ask_all(settings, partial(QuotaGuard.open, settings))
    today = datetime.fromtimestamp(SystemClock().now(), UTC).date()
    rows = check_deployments(settings, today, accounts)
    name = max(len(row.deployment) for row in rows)
    model = max(len(row.model) for row in rows)
    for row in rows:
        notes = "; ".join(row.notes)
        _say(f"  {row.deployment:<{name}}  {row.model:<{model}}  {notes}")
    for line in unmet(settings, accounts):
        _say(f"WARNING: {line}")
    if not any(provider.api_key for provider in settings.providers.values()):
        print("no key is set: runs are rehearsals. Keys go into .env (.env.example).")
    return DONE


def _run_mistakes(settings: Settings) -> list[Mistake]:
    """What `crew run` without arguments would refuse."""
    given = settings.inputs
    if given is None:
        return []  # what tasks.yaml asks for, each run may give
    mistakes = check_file(settings.config_dir / "inputs.yaml", given)
    return mistakes + check_placeholders(settings, given)


def _status(options: argparse.Namespace) -> int:
    guard = QuotaGuard.open(load_settings(options.config))
    clock = SystemClock()
    try:
        while True:
            pools = guard.status()
            if options.json:
                print(json.dumps(status_document(pools, guard.plans()), indent=2))
            else:
                if options.watch:
                    print("\033[2J\033[H", end="")
                print(status_lines(pools, guard.plans(), now=clock.now()))
            if not options.watch:
                return DONE
            clock.sleep(2.0)
    finally:
        guard.close()


def _report(options: argparse.Namespace) -> int:
    settings = load_settings(options.config)
    path = settings.state_dir / "journal.db"
    if not path.exists():
        raise _mistake("RUN", f"there is no run yet in {settings.state_dir}/")
    with Journal.open(path, SystemClock()) as journal:
        if options.run is None:
            record = next(iter(journal.runs(limit=1)), None)
        else:
            record = journal.run(options.run)
        if record is None:
            raise _mistake("RUN", f"no run {options.run or 'at all'} is in {path}")
        record = replace(record, status=_status_now(record))
        if options.json:
            print(_document(journal, record))
            return DONE
        print(f"run {record.run}: {record.status}; see {record.output}/")
        _say(summary_lines(build_report(journal, record.run)))
    if record.status not in ("done", "running"):
        print(f"go on with: {_resuming(record.run, options)}")
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


def _emulate(options: argparse.Namespace) -> int:
    settings = load_settings(options.config)
    return serve_forever(settings, port=options.port, speed=options.speed)


@contextmanager
def open_crew() -> Iterator[tuple["Crew", dict[str, str]]]:
    """A plain crew and its inputs from inputs.yaml, for CrewAI's other commands;
    without any key it rehearses. Exits on an error of ours."""
    try:
        settings = load_settings()
        given = settings.inputs
        if given is None:
            raise _mistake("inputs.yaml", f"{settings.config_dir} has none")
        values = {"repositories": "none", "images": "none", **given.values}
        _ready(settings.state_dir)
        opened = _lifecycle(settings).opened_crew(settings, OUTPUT, _tell)
        with opened as crew:
            yield crew, {"request": given.request, **values}
    except CrewError as exc:
        sys.exit(_refuse(exc, as_json=False))
    except EOFError:
        print("crew: it asks for your feedback: use a terminal", file=sys.stderr)
        sys.exit(MISTAKEN)


_COMMANDS = {
    "run": _run,
    "check": _check,
    "status": _status,
    "report": _report,
    "emulate": _emulate,
}
