"""`crew trust`: look at a configuration that came with a repository, and accept it."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from crew.cli.console import DONE, FAILED, argument_error, print_safe
from crew.settings.capabilities import Capabilities, capabilities
from crew.settings.directories import is_defaults
from crew.settings.places import candidates
from crew.settings.snapshot import Snapshot
from crew.settings.trust import Trusted, Verdict, content_of

_LISTED = 100


@click.command(
    help="Show which addresses a configuration calls, which code it imports and which "
    "commands it starts, and accept it as it is now. Without this, a configuration "
    "that came with a repository is not used."
)
@click.argument("directory", required=False)
@click.option("--yes", is_flag=True, help="Accept it without asking.")
@click.option("--remove", is_flag=True, help="Accept it no longer.")
@click.pass_obj
def command(config: str | None, directory: str | None, yes: bool, remove: bool) -> int:
    """Show what a configuration can do, and accept it; returns the exit code."""
    return _trust(_directory(directory or config), yes=yes, remove=remove)


def _trust(directory: Path, *, yes: bool, remove: bool) -> int:
    record = Trusted(os.environ)
    if remove:
        count = record.remove(directory)
        print_safe(f"{directory}: {'no longer accepted' if count else 'was not'}")
        return DONE
    if is_defaults(directory):
        print_safe(f"{directory} belongs to this program: there is nothing to accept")
        return DONE
    snapshot = content_of(directory, os.environ)
    verdict = record.verdict(directory, snapshot)
    if verdict.trusted:
        print_safe(f"{directory} is accepted as it is")
        return DONE
    for line in _shown(directory, snapshot, verdict):
        print_safe(line)
    if not yes and not _agreed():
        print("not accepted; nothing of it is used")
        return FAILED
    record.add(directory, snapshot)
    print_safe(f"accepted: {directory}; when it changes, `crew trust` asks again")
    return DONE


def _directory(named: str | None) -> Path:
    """The directory that is named, or the nearest configuration here and upwards."""
    if named is not None:
        if not Path(named).is_dir():
            raise argument_error("DIRECTORY", f"{named}: no such directory")
        return Path(named)
    for candidate in candidates():
        if not candidate.problem:
            return candidate.directory
    raise argument_error(
        "DIRECTORY", "there is no configuration here, nor upwards in the repository"
    )


def _shown(directory: Path, snapshot: Snapshot, verdict: Verdict) -> Iterator[str]:
    yield f"{directory.resolve()}: {len(snapshot.contents)} files"
    if verdict.known:
        yield from _listed("Changed since it was accepted:", list(verdict.changed))
    found = capabilities(snapshot)
    yield from _listed("It calls these addresses:", found.addresses)
    yield from _listed("It starts these commands:", found.commands)
    yield from _listed("It may import, start or read these files:", found.code)
    yield from _listed("It sets variables by these files:", found.variables)
    yield from _listed("These files cannot be read as YAML:", found.unreadable)
    if found == Capabilities():
        yield "It calls the providers' own addresses, and nothing else."


def _listed(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield title
        yield from (f"  {line}" for line in dict.fromkeys(lines[:_LISTED]))
    if len(lines) > _LISTED:
        yield f"  and {len(lines) - _LISTED} more: read the files before you accept"


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise argument_error("--yes", "nobody can answer here; --yes accepts it")
    try:
        return input("Accept it? [y/N] ").strip().casefold() in ("y", "yes")
    except EOFError:
        return False
