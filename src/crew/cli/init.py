"""`crew init`: a configuration for the repository here, or a project of its own."""

import os
import shlex
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import click

from crew.cli.console import DONE, argument_error, print_safe
from crew.cli.key_prompt import ask_for_key
from crew.clock import SystemClock
from crew.settings.directories import defaults
from crew.settings.key_files import OWN, dotenv_files
from crew.settings.loader import load_settings
from crew.settings.places import candidates
from crew.settings.trust import trust
from crew.setup.configuration import (
    CONFIG,
    STATE,
    root_of,
    write_configuration,
    write_keys,
)
from crew.setup.finding import keys_for, look
from crew.setup.keys import DOTENV
from crew.setup.project import project_name, write_project
from crew.setup.summary import key_lines, next_steps, summary
from crew.setup.texts import default_texts, fitted
from crew.setup.trusting import is_trusted


@click.command(
    help="Write a configuration for the repository here into .crew/config. Models "
    "whose keys (or local servers) are there come first in the chains, and the "
    "repository's checks go into inputs.yaml. Files that are there stay as they are."
)
@click.option("--yes", "-y", is_flag=True, help="Ask nothing.")
@click.option(
    "--share",
    is_flag=True,
    help="Let git see .crew/config, to commit it; keys and counters stay hidden.",
)
@click.option(
    "--project",
    metavar="NAME",
    help="Write a whole CrewAI project into a new directory NAME instead.",
)
@click.pass_obj
def command(config: str | None, yes: bool, share: bool, project: str | None) -> int:
    """Write what is missing, and show what was done; returns the exit code."""
    if config is not None:
        raise argument_error("--config", "`crew init` writes to .crew/config alone")
    if project is not None:
        if share:
            raise argument_error("--share", "a project's configuration is not hidden")
        return _project(project)
    asking = not yes and sys.stdin.isatty()
    return _repository(root_of(Path.cwd()), asking=asking, share=share)


def _repository(root: Path, *, asking: bool, share: bool) -> int:
    environ, directory = dict(os.environ), root / OWN
    if (other := _other(directory)) is not None:
        print_safe(f"{other} is a configuration already, and commands use it here.")
        print_safe("Nothing was written. To see what it does: crew check")
        return DONE
    accepted = is_trusted(directory, environ)
    config = directory if accepted else defaults()
    found = look(root, config, environ, SystemClock())
    beside = dotenv_files(directory, environ)[-1]
    ours = beside == root / STATE / DOTENV
    # One that came with the repository may be tracked: git would see a key in it.
    new = ours and not os.path.lexists(beside)
    typed: dict[str, str] = {}
    if asking and not found.can_call and ours:
        typed = ask_for_key()
        keys = keys_for(directory, config, {**environ, **typed})
        found = replace(found, keys=keys)
    texts = fitted(
        default_texts(defaults()),
        found.keys,
        found.servers,
        found.checks,
        found.shares,
    )
    written = write_configuration(root, texts, share=share)
    if written.fresh or (accepted and written.added):
        trust(directory, environ)
    trusted = is_trusted(directory, environ)
    keep = {**(found.keys.own if trusted and new else {}), **typed}
    kept = bool(keep) and written.hidden and (new or accepted)
    if kept:
        write_keys(root, keep)
    print_lines(summary(root, written, found, share=share))
    print_lines(key_lines(root, found, keep, kept=kept))
    load_settings(directory)
    print_lines(next_steps(beside, found, trusted=trusted))
    return DONE


def print_lines(lines: Iterable[str]) -> None:
    """Print lines that may hold names of somebody's files."""
    for line in lines:
        print_safe(line)


def _other(directory: Path) -> Path | None:
    """Another configuration that commands would use here."""
    for candidate in candidates():
        if not candidate.problem:
            found = candidate.directory.absolute()
            return candidate.directory if found != directory else None
    return None


def _project(text: str) -> int:
    """Write a project; without a key it rehearses."""
    name = project_name(text)
    environ = dict(os.environ)
    keys = keys_for(Path(CONFIG), defaults(), environ)
    texts = fitted(default_texts(defaults()), keys, (), ())
    target, files = write_project(Path.cwd(), name, texts)
    trust(target / CONFIG, environ)
    print_safe(f"project  {target}")
    for file in files:
        print_safe(f"  {file}")
    print_safe("")
    print_safe(f"Next: cd {shlex.quote(name.name)} && crewai run")
    if not keys.found:
        print_safe("(a rehearsal: copy .env.example to .env for a key)")
    return DONE
