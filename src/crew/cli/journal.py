"""`crew journal`: the record of all runs."""

import click

from crew.cli.console import DONE
from crew.cli.group import CommandGroup, Entry
from crew.cli.journal_info import show

_SECTION = "Commands"
COMMANDS = {
    "info": Entry("journal_info", _SECTION, "show its size, its rows, the oldest run"),
    "export": Entry("journal_export", _SECTION, "write its rows for other programs"),
    "prune": Entry("journal_prune", _SECTION, "remove old runs from it"),
}


def _begin(context: click.Context) -> int:
    """Without a command: what is in it."""
    if context.invoked_subcommand is None:
        show(context.obj)
    return DONE


command = CommandGroup(
    COMMANDS,
    name="journal",
    help="The record of all runs, tasks, attempts and calls, and what is in it.",
    invoke_without_command=True,
    callback=click.pass_context(_begin),
)
