"""The `crew` group: its commands are imported when they are used.

The import of some commands takes a second, so the group holds what the help says
about each.
"""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module

import click


@dataclass(frozen=True, slots=True)
class Entry:
    """A command of the group: the module in `crew.cli` that holds `command`, the
    section of the help, and one line about it."""

    module: str
    section: str
    summary: str


@contextmanager
def _no_collection() -> Iterator[None]:
    """No garbage is looked for in the block: imports leave none, and each look at what
    they made is a tenth of the time that a quick command takes."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


class CommandGroup(click.Group):
    """A group that imports a command when it is used, and knows its neighbours."""

    def __init__(self, entries: Mapping[str, Entry], **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]  # click's own options
        self.entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.entries:
            return None
        with _no_collection():
            module = import_module(f"crew.cli.{self.entries[cmd_name].module}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.entries and not name.startswith("-"):
            raise click.UsageError(_no_such(name, list(self.entries)), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        for section in dict.fromkeys(entry.section for entry in self.entries.values()):
            with formatter.section(section):
                formatter.write_dl(
                    [
                        (name, entry.summary)
                        for name, entry in self.entries.items()
                        if entry.section == section
                    ]
                )


def _no_such(name: str, known: list[str]) -> str:
    close = get_close_matches(name[:40], known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"no such command {name[:40]!r}; {hint}There are: {', '.join(known)}"
