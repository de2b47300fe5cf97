"""Each command of `crew` with its arguments and options, as click knows them."""

import click

from crew.cli.app import COMMANDS
from crew.cli.group import CommandGroup


def commands() -> str:
    """One section for each command, in the order of `crew --help`."""
    group = CommandGroup(COMMANDS, name="crew")
    root = click.Context(group, info_name="crew")
    ordered = sorted(COMMANDS, key=lambda name: _sections().index(_section(name)))
    return "\n".join(_one(group, root, name, "###") for name in ordered)


def _sections() -> list[str]:
    return list(dict.fromkeys(entry.section for entry in COMMANDS.values()))


def _section(name: str) -> str:
    return COMMANDS[name].section


def _one(group: CommandGroup, parent: click.Context, name: str, mark: str) -> str:
    command = group.get_command(parent, name)
    assert command is not None
    context = click.Context(command, info_name=name, parent=parent)
    path = context.command_path
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    said = " ".join((command.help or "").split())
    lines = [f"{mark} {path}", "", f"`{usage}`", "", *_sentences(said), ""]
    rows = [
        record
        for parameter in command.get_params(context)
        if "--help" not in parameter.opts
        and (record := parameter.get_help_record(context)) is not None
        and record[1]
    ]
    if rows:
        lines += ["| Option | Does |", "|---|---|"]
        lines += [f"| `{_cell(option)}` | {_cell(does)} |" for option, does in rows]
        lines.append("")
    if isinstance(command, CommandGroup):
        names = command.list_commands(context)
        lines += [_one(command, context, one, f"{mark}#") for one in names]
    return "\n".join(lines)


def _sentences(text: str) -> list[str]:
    """One line for each sentence."""
    return text.replace(". ", ".\n").splitlines()


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
