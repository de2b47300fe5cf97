"""`crew apply`: what a run changed comes into the checkout."""

import shlex

import click

from crew.cli.console import DONE, print_safe
from crew.cli.known_runs import known_runs
from crew.runs.applying import Applied, apply
from crew.runs.listing import pick


@click.command(
    help="Merge what a run changed (default: the latest) into what is checked out: "
    "all repositories, or none. On a conflict, and in a checkout with changes, nothing "
    "is touched."
)
@click.argument("run", required=False, metavar="[RUN]")
@click.option(
    "--patch", is_flag=True, help="Leave the changes there, without a commit."
)
@click.pass_obj
def command(config: str | None, run: str | None, patch: bool) -> int:
    """Apply a run, and print what came where; returns the exit code."""
    _, runs = known_runs(config)
    for one in apply(pick(runs, run), patch=patch):
        print_safe(_line(one, patch))
        for name in one.ignored:
            here = shlex.quote(str(one.path / name))
            there = shlex.quote(str(one.source / name))
            print_safe(f"  git ignores {name}; to have it: cp {here} {there}")
    return DONE


def _line(one: Applied, patch: bool) -> str:
    if one.files is None:
        return f"{one.source}: nothing new, all of it is there"
    files = f"{one.files:,} file{'s' * (one.files != 1)}"
    if one.commit is None:
        return f"{one.source}: {files} changed, nothing committed"
    return f"{one.source}: {files} merged, now at {one.commit[:12]}"
