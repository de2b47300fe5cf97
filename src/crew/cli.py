"""The `crew` command."""

import argparse
import fcntl
import io
import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

from dotenv import dotenv_values

from crew.checkup import ask_accounts, check_deployments
from crew.clock import SystemClock
from crew.emulator.process import serve_forever
from crew.errors import CrewError, Mistake, QuotaExceeded, SettingsError
from crew.inputs import check_inputs
from crew.issues import CommentFailed, GitHub, comment_on, parse_issue, results_of
from crew.journal import Journal, RunRecord, new_run_id
from crew.loader import check_placeholders, load_settings
from crew.quota.guard import QuotaGuard
from crew.report import build_report, run_document, status_document
from crew.settings import Inputs, Settings
from crew.terminal import status_lines, summary_lines

if TYPE_CHECKING:
    from crewai import Crew

    from crew.lifecycle import Outcome
    from crew.providers.online import Account

DONE, FAILED, MISTAKEN, CLOSED, INTERRUPTED = 0, 1, 2, 75, 130
OUTPUT = Path("output")
"""Where runs go, below the working directory."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Models write what a terminal, or UTF-8, cannot say.
            stream.reconfigure(errors="backslashreplace")
    try:
        return int(options.command(options))
    except CrewError as exc:
        return _refuse(exc, as_json=getattr(options, "json", False))
    except KeyboardInterrupt:
        print("crew: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # as in `crew report | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _refuse(error: CrewError, *, as_json: bool) -> int:
    """Tell what kept a command from its work; returns the exit code."""
    lines = [str(error)]
    if isinstance(error, SettingsError):
        lines = [str(mistake) for mistake in error.mistakes]
    for line in lines:
        print(f"crew: {line}", file=sys.stderr)
    if as_json:
        print(json.dumps({"error": lines}, indent=2))
    if isinstance(error, SettingsError):
        return MISTAKEN
    return CLOSED if isinstance(error, QuotaExceeded) else FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="crew",
        description="A development crew that keeps working when limits hit.",
        epilog="Exit codes: 0 done; 1 the crew failed; 2 the configuration or the "
        "arguments are wrong; 75 every deployment is closed; 130 interrupted.",
    )
    parser.add_argument(
        "--config",
        metavar="DIR",
        help="the YAML files (default: CREW_CONFIG_DIR, "
        "or config/ here, or config/ of the project)",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="run the crew on a request")
    run.add_argument(
        "request",
        nargs="?",
        metavar="REQUEST",
        help="what to do (default: what config/inputs.yaml says)",
    )
    run.add_argument(
        "--repo",
        action="append",
        default=[],
        metavar="PATH",
        help="a repository to work on, in a worktree of its own; may be repeated",
    )
    run.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="PATH",
        help="an image file or an http(s) address to look at; may be repeated",
    )
    run.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="K=V",
        help="a placeholder {K} of tasks.yaml; may be repeated",
    )
    run.add_argument(
        "--resume",
        metavar="RUN",
        help="go on with a run; finished tasks stay",
    )
    run.add_argument(
        "--comment",
        metavar="OWNER/REPO#NUMBER",
        help="show what would be the comment on this GitHub issue: what was seen on "
        "the images, or else the result",
    )
    run.add_argument(
        "--post",
        action="store_true",
        help="post that comment; needs GITHUB_TOKEN (a post that fails: exit code 1)",
    )
    run.add_argument(
        "--json",
        action="store_true",
        help="print the run as one JSON document",
    )
    run.set_defaults(command=_run)

    check = commands.add_parser("check", help="check the YAML, the keys, the models")
    check.add_argument(
        "--online",
        action="store_true",
        help="ask each provider that has a key which models it serves (costs nothing)",
    )
    check.set_defaults(command=_check)

    status = commands.add_parser("status", help="how full each limit is")
    status.add_argument("--watch", action="store_true", help="again every 2 seconds")
    status.add_argument("--json", action="store_true", help="as one JSON document")
    status.set_defaults(command=_status)

    report = commands.add_parser("report", help="what a run did and what it cost")
    report.add_argument("run", nargs="?", metavar="RUN", help="default: the latest")
    report.add_argument("--json", action="store_true", help="as one JSON document")
    report.set_defaults(command=_report)

    emulate = commands.add_parser("emulate", help="play the providers on loopback")
    emulate.add_argument(
        "--port",
        type=int,
        default=0,
        metavar="N",
        help="default: a free one",
    )
    emulate.add_argument(
        "--speed",
        type=float,
        default=1.0,
        metavar="X",
        help="how many times as fast as real time the limits run (default: 1)",
    )
    emulate.set_defaults(command=_emulate)
    return parser


def _run(options: argparse.Namespace) -> int:
    settings, inputs = _checked(options)
    github = _github() if options.post else None
    run = options.resume or new_run_id(SystemClock())
    # CrewAI prints panels of its own; stdout is for the result.
    with redirect_stdout(sys.stderr):
        lifecycle = _lifecycle(settings)
        if inputs is None:
            work = partial(lifecycle.resumed, settings, run, output=OUTPUT)
        else:
            work = partial(
                lifecycle.execute, settings, inputs, run_id=run, output=OUTPUT
            )
        try:
            outcome = _in_a_thread(partial(work, listener=_tell))
        except KeyboardInterrupt:
            outcome = None
    if outcome is None:
        _leave(settings, run, options)
    code = _show(outcome, options)
    if options.comment is None:
        return code
    if outcome.error is not None:
        print("crew: there is no comment: the run has no result", file=sys.stderr)
        return code
    return _comment(outcome, settings, options, github)


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
            print(f"crew: {exc}", file=sys.stderr)
            again = _resuming(outcome.run_id, options)
            print(f"crew: try again with: {again}", file=sys.stderr)
            return FAILED
        return DONE
    out = sys.stderr if options.json else sys.stdout
    print(f"\nDRY RUN: the comment on {issue}, which is not posted:\n", file=out)
    print(text, file=out)
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


def _in_a_thread(work: Callable[[], "Outcome"]) -> "Outcome":
    """Work where Ctrl-C does not reach: CrewAI would let it wait for the model's
    answer, which takes minutes."""
    outcome: Future[Outcome] = Future()

    def target() -> None:
        try:
            outcome.set_result(work())
        except BaseException as exc:  # it goes on in the thread that waits
            outcome.set_exception(exc)

    Thread(target=target, daemon=True).start()
    return outcome.result()


def _leave(settings: Settings, run: str, options: argparse.Namespace) -> NoReturn:
    """End at once, as if killed: a killed run loses nothing, and can be resumed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print("crew: interrupted", file=sys.stderr)
    if (OUTPUT / run / "inputs.json").exists():
        print(f"crew: go on with: {_resuming(run, options)}", file=sys.stderr)
    path = settings.state_dir / "journal.db"
    if options.json:
        with suppress(CrewError), Journal.open(path, SystemClock()) as journal:
            if record := journal.run(run):
                print(_document(journal, replace(record, status="interrupted")))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)


def _lifecycle(settings: Settings) -> ModuleType:
    """`crew.lifecycle`, without CrewAI's noise. Imported here: crewai and litellm
    take seconds."""
    os.environ.setdefault(
        "CREWAI_STORAGE_DIR", str(settings.state_dir.absolute() / "crewai")
    )
    from crew import lifecycle

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
        mistakes += _input_mistakes(given, file="arguments")
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
        file = str(settings.config_dir / "inputs.yaml")
        mistakes += _input_mistakes(given, file=file)
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


def _input_mistakes(inputs: Inputs, *, file: str) -> list[Mistake]:
    mistakes = check_inputs(inputs, file=file)
    if not inputs.request.strip():
        empty = Mistake(file=file, line=None, key="REQUEST", message="it is empty")
        mistakes.insert(0, empty)
    return mistakes


def _mistake(key: str, message: str) -> SettingsError:
    return SettingsError(
        [Mistake(file="arguments", line=None, key=key, message=message)]
    )


def _tell(line: str) -> None:
    print(f"· {line}", file=sys.stderr, flush=True)


def _show(outcome: "Outcome", options: argparse.Namespace) -> int:
    if options.json:
        print(json.dumps(outcome.document, indent=2))
    else:
        if outcome.raw:
            print(outcome.raw, end="\n\n")
        print(summary_lines(outcome.report))
        print(f"\nrun {outcome.run_id}: {outcome.status}; see {outcome.output}/")
        for repository in outcome.document["workspace"]["repositories"]:
            if branch := repository.get("branch"):
                print(f"  git -C {repository['source']} diff HEAD...{branch}")
    if outcome.error is None:
        return DONE
    print(f"crew: {outcome.error}", file=sys.stderr)
    print(f"crew: go on with: {_resuming(outcome.run_id, options)}", file=sys.stderr)
    return CLOSED if isinstance(outcome.error, QuotaExceeded) else FAILED


def _resuming(run: str, options: argparse.Namespace) -> str:
    config = f" --config {shlex.quote(options.config)}" if options.config else ""
    comment = ""
    if getattr(options, "comment", None):  # `crew report` has no such option
        comment = f" --comment {shlex.quote(options.comment)}"
        comment += " --post" if options.post else ""
    return f"crew{config} run --resume {run}{comment}"


def _check(options: argparse.Namespace) -> int:
    settings = load_settings(options.config)
    print(f"configuration: {settings.config_dir} is well-formed")
    accounts: dict[str, Account] = {}
    if options.online:
        # Imported here: only this needs an HTTP client.
        from crew.providers.online import ask_models

        accounts = ask_accounts(settings, ask_models)
    today = datetime.fromtimestamp(SystemClock().now(), UTC).date()
    rows = check_deployments(settings, today, accounts)
    name = max(len(row.deployment) for row in rows)
    model = max(len(row.model) for row in rows)
    for row in rows:
        notes = "; ".join(row.notes)
        print(f"  {row.deployment:<{name}}  {row.model:<{model}}  {notes}")
    if not any(provider.api_key for provider in settings.providers.values()):
        print("no key is set: runs are rehearsals. Keys go into .env (.env.example).")
    return DONE


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
        print(summary_lines(build_report(journal, record.run)))
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
        return written.read_text(encoding="utf-8").rstrip()
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
        opened = _lifecycle(settings).opened_crew(settings, OUTPUT, _tell)
        with opened as crew:
            yield crew, {"request": given.request, **values}
    except CrewError as exc:
        sys.exit(_refuse(exc, as_json=False))
    except EOFError:
        print("crew: it asks for your feedback: use a terminal", file=sys.stderr)
        sys.exit(MISTAKEN)
