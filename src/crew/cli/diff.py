"""`crew diff`: what a run changed."""

import sys

import click

from crew.cli.console import DONE, print_safe
from crew.cli.known_runs import known_runs
from crew.runs.listing import pick
from crew.texts.stream import SafeStream
from crew.workspace import Workspace
from crew.workspace.difference import text


@click.command(help="Show what a run changed (default: the latest).")
@click.argument("run", required=False, metavar="[RUN]")
@click.option(
    "--stat", is_flag=True, help="Only the files, with their added and removed lines."
)
@click.pass_obj
def command(config: str | None, run: str | None, stat: bool) -> int:
    """Print the change of each repository; returns the exit code."""
    _, runs = known_runs(config)
    found = pick(runs, run)
    workspace = Workspace.recorded(found.directory.workspace, found.run)
    several = len(workspace.repositories) > 1
    written = workspace.touched()
    for repository in workspace.repositories:
        shown = text(repository, written, stat=stat)
        if several or not shown:
            said = f"{repository.source}:" if shown else "nothing changed in"
            name = said if shown else f"{said} {repository.source}"
            print_safe(name, file=sys.stderr)
        _print(shown)
    if not workspace.repositories:
        print_safe(f"there was no repository; see {workspace.root}", file=sys.stderr)
    return DONE


def _print(shown: str) -> None:
    """For a person, with escapes made visible; for a program, such as `git apply`,
    byte for byte."""
    out = sys.stdout
    beneath = out.beneath if isinstance(out, SafeStream) else out
    if beneath.isatty() or not hasattr(beneath, "buffer"):
        print_safe(shown.encode("utf-8", "replace").decode(), file=out)
        return
    out.flush()
    beneath.buffer.write(shown.encode("utf-8", "surrogateescape"))
    beneath.flush()
