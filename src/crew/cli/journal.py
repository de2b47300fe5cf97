"""`crew journal`: the record of all runs, for other programs."""

from crew.cli.group import CommandGroup, Entry

COMMANDS = {
    "export": Entry("journal_export", "Commands", "write its rows for other programs"),
}

command = CommandGroup(
    COMMANDS, name="journal", help="The record of all runs, tasks, attempts and calls."
)
