"""The way into the `crew` command: one command line in, one exit code out."""

import io
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from crew.cli.arguments import parser
from crew.cli.check import check
from crew.cli.console import FAILED, print_error
from crew.cli.emulate import emulate
from crew.cli.report import report
from crew.cli.run import run
from crew.cli.signals import Stopped
from crew.cli.status import status
from crew.errors import CrewError, file_problem


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = parser(_COMMANDS).parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Models write what a terminal, or UTF-8, cannot say.
            stream.reconfigure(errors="backslashreplace")
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
}
