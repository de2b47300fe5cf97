"""`crew journal export`."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from crew.cli.console import DONE, argument_error, print_notice
from crew.cli.known_runs import Age
from crew.cli.past import past_runs
from crew.cli.place import placed
from crew.cli.signals import stoppable
from crew.clock import SystemClock
from crew.errors import file_problem
from crew.journal import Journal
from crew.journal.columns import TABLES
from crew.reports.export.lines import csv_lines, json_lines
from crew.reports.export.parquet import parquet, write_parquet
from crew.settings.loader import load_tiers
from crew.texts.masking import Secrets

LINES = {"jsonl": json_lines, "csv": csv_lines}
FORMATS = (*LINES, "parquet")
_ALL = "all"


@click.command(
    help="Write the rows of the journal: metadata only, no prompt and no answer. "
    "docs/journal.md describes each column. Without -o they go to stdout."
)
@click.option(
    "--format",
    "wanted",
    type=click.Choice(FORMATS),
    help="How (default: as the name of FILE ends, else jsonl).",
)
@click.option(
    "--table",
    type=click.Choice([*TABLES, _ALL]),
    default="calls",
    help="Which rows (default: calls).",
)
@click.option("--since", type=Age(), metavar="AGE", help="Only those of the last 7d.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The file to write; with --table all a directory, one file a table.",
)
@click.pass_obj
def command(
    config: str | None,
    wanted: str | None,
    table: str,
    since: float | None,
    output: Path | None,
) -> int:
    """Write the rows; returns the exit code."""
    settings = load_tiers(placed(config))
    written_as = wanted or _format_of(output)
    names = list(TABLES) if table == _ALL else [table]
    begin = 0.0 if since is None else SystemClock().now() - since
    if written_as == "parquet":
        parquet()
    if output is None:
        _refuse_stdout(written_as, names)
    with stoppable(), past_runs(settings) as journal:
        if output is None:
            for name in names:
                _print(journal, name, begin, written_as, settings.secrets)
            return DONE
        for name, path in _files(output, names, written_as):
            _write(path, journal, name, begin, written_as, settings.secrets)
    return DONE


def _format_of(path: Path | None) -> str:
    suffix = path.suffix.lstrip(".") if path is not None else ""
    return suffix if suffix in FORMATS else "jsonl"


def _refuse_stdout(written_as: str, names: Sequence[str]) -> None:
    """What cannot go to stdout. Raises SettingsError."""
    if written_as == "parquet":
        raise argument_error("--format", "parquet needs a file: -o FILE")
    if written_as == "csv" and len(names) > 1:
        raise argument_error("--table", "each table has other columns: -o DIRECTORY")


def _files(
    output: Path, names: Sequence[str], written_as: str
) -> Iterator[tuple[str, Path]]:
    """The file of each table. Raises SettingsError."""
    output = output.resolve()
    if output.exists() and not (output.is_file() or output.is_dir()):
        raise argument_error("-o", f"{output} is neither a file nor a directory")
    if len(names) == 1 and not output.is_dir():
        yield names[0], output
        return
    if output.is_file():
        raise argument_error("-o", f"{output} is a file; --table all needs a directory")
    for name in names:
        yield name, output / f"{name}.{written_as}"


def _print(
    journal: Journal, name: str, since: float, written_as: str, secrets: Secrets
) -> None:
    # Both kinds of lines are safe for a terminal as they are.
    for part in LINES[written_as](name, journal.export(name, since), secrets):
        sys.stdout.write(part)


def _write(
    path: Path,
    journal: Journal,
    name: str,
    since: float,
    written_as: str,
    secrets: Secrets,
) -> None:
    """Write a table's file, all of it or none. Raises SettingsError."""
    rows = journal.export(name, since)
    try:
        with _whole(path) as part:
            if written_as == "parquet":
                write_parquet(part, name, rows, secrets)
            else:
                with part.open("w", encoding="utf-8", newline="") as file:
                    file.writelines(LINES[written_as](name, rows, secrets))
            size = part.stat().st_size
    except OSError as exc:
        raise argument_error("-o", f"{path}: {file_problem(exc)}") from exc
    print_notice(f"written: {path} ({size / 1000:,.0f} kB)")


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A file beside the one that is asked for, for its user alone, which takes its
    place at the end of the block. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.touch(mode=0o600, exist_ok=False)
        yield part
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
