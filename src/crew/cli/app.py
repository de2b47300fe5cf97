"""The way into the `crew` command: one command line in, one exit code out."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from crew.cli.arguments import parser
from crew.cli.check import check
from crew.cli.console import FAILED, print_error, safe_output
from crew.cli.emulate import emulate
from crew.cli.report import report
from crew.cli.run import run
from crew.cli.signals import Stopped
from crew.cli.status import status
from crew.cli.trust import trust
from crew.errors import CrewError, SettingsError, file_problem
from crew.settings.environment import read_environment
from crew.settings.places import find
from crew.settings.secrets import secrets_of
from crew.texts.masking import Secrets


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = parser(_COMMANDS).parse_args(arguments)
    with safe_output(_secrets(options)):
        return _carried_out(options)


def _secrets(options: argparse.Namespace) -> Secrets:
    """What no command shows, however it ends."""
    try:
        place = find(getattr(options, "config", None))
        return secrets_of(place.directory, read_environment(place))
    except SettingsError:  # the command itself reports it
        return Secrets()


def _carried_out(options: argparse.Namespace) -> int:
    try:
        code = int(options.command(options))
        sys.stdout.flush()
        return code
    except CrewError as exc:
        return print_error(exc, as_json=getattr(options, "json", False))
    except KeyboardInterrupt as exc:
        stopped = Stopped.by(exc)
        print(f"crew: {stopped}", file=sys.stderr)
        if getattr(options, "json", False) and options.command is run:
            print(json.dumps({"error": [str(stopped)]}, indent=2))
        return stopped.exit_code
    except OSError as exc:
        if not isinstance(exc, BrokenPipeError):  # as in `crew report | head`
            with suppress(OSError):
                print(f"crew: {file_problem(exc)}", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:  # Python would flush it once more, and report that
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


_COMMANDS = {
    "run": run,
    "check": check,
    "status": status,
    "report": report,
    "emulate": emulate,
    "trust": trust,
}
