"""`crew compare`: one task at several deployments, side by side."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from crew.cli.console import (
    CLOSED,
    DONE,
    FAILED,
    argument_error,
    print_notice,
    print_safe,
)
from crew.cli.following import follower
from crew.cli.run import carry_out
from crew.cli.run_options import RunOptions, checked
from crew.cli.signals import stoppable
from crew.clock import SystemClock
from crew.errors import WorkspaceError
from crew.journal import Journal, journal_file, new_run_id
from crew.reports.comparison import comparison_lines, deployment_document
from crew.reports.experiment import experiment_document, experiment_lines
from crew.runs.comparing import (
    alone,
    attempt_of,
    comparison,
    diff_of,
    heads,
    problem,
)
from crew.runs.current import with_current
from crew.runs.experiments import finding_of
from crew.runs.rehearsal import needed
from crew.settings import Inputs, Settings
from crew.settings.inputs import at_home
from crew.settings.wording import unknown

if TYPE_CHECKING:
    from crew.runs.ending import Outcome

_MOST = 5


@click.command(
    help="Run one task of tasks.yaml at several deployments, each alone: one attempt "
    "from the same commit, in a worktree and on a branch of its own."
)
@click.argument("task", metavar="TASK")
@click.argument("words", nargs=-1, metavar="[REQUEST]")
@click.option(
    "--on", required=True, metavar="A,B,C", help="The deployments, by their names."
)
@click.option(
    "--repo",
    multiple=True,
    metavar="PATH",
    help="A repository to work on; may be repeated (default: the current one).",
)
@click.option("--no-repo", is_flag=True, help="Work in an empty workspace.")
@click.option(
    "--image", multiple=True, metavar="PATH", help="An image; may be repeated."
)
@click.option(
    "--input", multiple=True, metavar="K=V", help="The text of a placeholder {K}."
)
@click.option(
    "--check",
    multiple=True,
    metavar="NAME=COMMAND",
    help="A command that proves the work; may be repeated.",
)
@click.option("--stat", is_flag=True, help="Without the diffs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--quiet", is_flag=True, help="Print nothing but the end.")
@click.pass_obj
def command(config: str | None, /, task: str, on: str, stat: bool, **given: Any) -> int:
    """Compare, and print what came of it; returns the exit code."""
    options = CompareOptions(
        config=config,
        task=task,
        on=tuple(name.strip() for name in on.split(",")),
        resume=None,
        comment=None,
        post=False,
        json_stream=False,
        view="lines",
        **given,
    )
    with stoppable():
        settings, inputs = checked(options)
        assert inputs is not None  # there is no run to resume
        _check(settings, options, inputs)
        documents = _compare(settings, inputs, options)
    return _show(settings, options, documents, stat=stat)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions(RunOptions):
    """The arguments of `crew compare`."""

    task: str
    on: tuple[str, ...]

    def resume_command(self, run: str) -> str:
        """A comparison is begun again: half of one says nothing."""
        words = ["crew", "compare", self.task, "--on", ",".join(self.on), *self.words]
        return shlex.join(words)


def _check(settings: Settings, options: CompareOptions, inputs: Inputs) -> None:
    """Raise SettingsError for what cannot be compared."""
    if options.task not in settings.tasks:
        raise argument_error("TASK", unknown("task", options.task, settings.tasks))
    if wrong := problem(settings, options.task, images=bool(inputs.images)):
        raise argument_error("TASK", wrong)
    for name in options.on:
        if name not in settings.deployments:
            known = settings.deployments
            raise argument_error("--on", unknown("deployment", name, known))
        provider = settings.deployments[name].provider
        if not provider.available and not needed(settings):
            variable = provider.api_key_variable or provider.name
            raise argument_error("--on", f"no key for {name}: {variable} is not set")
    if not 2 <= len(set(options.on)) == len(options.on) <= _MOST:
        raise argument_error("--on", f"two to {_MOST} different deployments, as a,b")


def _compare(
    settings: Settings, inputs: Inputs, options: CompareOptions
) -> list[dict[str, Any]]:
    """One run for each deployment, from the same commit. Raises WorkspaceError when
    that one moved in between."""
    inputs, notices = with_current(settings, at_home(inputs))
    inputs = replace(inputs, here=False)
    for line in notices:
        print_notice(line)
    pair, name = new_run_id(SystemClock()), comparison(options.task, options.on)
    base, documents = heads(inputs), []
    for deployment in options.on:
        if heads(inputs) != base:
            raise WorkspaceError("HEAD moved since the comparison began: compare again")
        own = alone(settings, options.task, deployment, name=name, pair=pair)
        if not options.quiet:
            print_notice(f"{options.task} at {deployment}")
        shown = follower(quiet=options.quiet, stream=False)
        outcome = carry_out(own, inputs, options, shown)
        shown.end(outcome.document)
        documents.append(_document(settings, deployment, outcome))
    return documents


def _document(
    settings: Settings, deployment: str, outcome: "Outcome"
) -> dict[str, Any]:
    path = journal_file(settings.state_dir)
    with Journal.open(path, SystemClock(), print_notice) as journal:
        attempt = attempt_of(journal, outcome.run_id)
    return deployment_document(
        deployment,
        outcome.run_id,
        dict(outcome.document),
        attempt,
        diff=diff_of(outcome.output / "workspace", outcome.run_id),
        error=settings.secrets.masked(str(outcome.error)) if outcome.error else None,
    )


def _show(
    settings: Settings,
    options: CompareOptions,
    documents: Sequence[dict[str, Any]],
    *,
    stat: bool,
) -> int:
    name = comparison(options.task, options.on)
    path = journal_file(settings.state_dir)
    with Journal.open(path, SystemClock(), print_notice) as journal:
        finding = finding_of(journal, {}, name)
    if options.as_json:
        whole = {
            "task": options.task,
            "experiment": name,
            "rehearsal": needed(settings),
            "deployments": list(documents),
            "so_far": experiment_document(finding),
        }
        print(json.dumps(whole, indent=2))
        return _code(documents)
    for one in () if stat else documents:
        print_safe(f"=== {one['deployment']}: crew diff {one['run']}")
        print_safe(one["diff"] or "nothing changed in a repository")
    for line in comparison_lines(options.on, documents):
        print_safe(line)
    for one in documents:
        if one["error"]:
            print_safe(f"{one['deployment']}: {one['error']}")
    print()
    if needed(settings):
        print("a rehearsal counts for no experiment")
        return _code(documents)
    for line in experiment_lines(finding):
        print_safe(line)
    return _code(documents)


def _code(documents: Sequence[dict[str, Any]]) -> int:
    """A refused attempt is an outcome like any other."""
    if all(one["counts"] for one in documents):
        return DONE
    closed = any(one["status"] == "closed" for one in documents)
    return CLOSED if closed else FAILED
