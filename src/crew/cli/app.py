"""The way into the `crew` command: one command line in, one exit code out."""

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import click

from crew.cli.console import DONE, FAILED, MISTAKEN, print_error, safe_output
from crew.cli.group import CommandGroup, Entry
from crew.cli.signals import Stopped
from crew.errors import CrewError, SettingsError, file_problem
from crew.settings.environment import read_environment
from crew.settings.places import find
from crew.settings.secrets import secrets_of
from crew.texts.masking import Secrets

_WORK, _LOOK, _TAKE, _SET_UP = "Work", "Look", "After a run", "Set up"
COMMANDS = {
    "run": Entry("run", _WORK, "run the crew on a request"),
    "approve": Entry("approve", _WORK, "let a run spend more than its budget"),
    "compare": Entry("compare", _WORK, "run one task at several deployments"),
    "attach": Entry("attach", _LOOK, "watch a run of another process"),
    "status": Entry("status", _LOOK, "show what is left, and what was spent"),
    "ui": Entry("ui", _LOOK, "show runs, limits and money on a live page"),
    "report": Entry("report", _LOOK, "show what a run did and what it cost"),
    "bench": Entry("bench", _LOOK, "take a deployment out of use for a while"),
    "review": Entry("review", _LOOK, "mark a sample of answers from 1 to 5"),
    "runs": Entry("runs", _LOOK, "list the runs"),
    "journal": Entry("journal", _LOOK, "export the record of all runs"),
    "diff": Entry("diff", _LOOK, "show what a run changed"),
    "apply": Entry("apply", _TAKE, "merge what a run changed into the checkout"),
    "pr": Entry("pr", _TAKE, "open a pull request with what a run changed"),
    "clean": Entry("clean", _TAKE, "remove what runs left behind"),
    "init": Entry("init", _SET_UP, "write a configuration for this repository"),
    "check": Entry("check", _SET_UP, "check the YAML, the keys, the models"),
    "models": Entry("models", _SET_UP, "list the models that your keys reach"),
    "emulate": Entry("emulate", _SET_UP, "play the providers on loopback"),
    "trust": Entry("trust", _SET_UP, "accept the YAML that came with a repository"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if instruction := os.environ.get("_CREW_COMPLETE"):
        return _complete(instruction)
    try:
        context = _GROUP.make_context("crew", given)
    except click.exceptions.Exit as exc:  # after --help
        return exc.exit_code
    except click.UsageError as exc:
        return _misused(exc)
    with safe_output(_secrets(context)), context:
        return _carried_out(context, as_json="--json" in given)


def _version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted:
        # Imported here: only this needs it.
        from importlib.metadata import version

        click.echo(f"crew {version('tiercrew')}")
        ctx.exit()


_GROUP = CommandGroup(
    COMMANDS,
    name="crew",
    help="A development crew that keeps working when limits hit.",
    epilog="Exit codes: 0 done; 1 the crew failed; 2 the configuration or the "
    "arguments are wrong; 75 every deployment is closed; 130 interrupted. "
    "(By SIGTERM 143, by SIGHUP 129.)",
    params=[
        click.Option(
            ["--config"],
            metavar="DIR",
            help="The YAML files (default: CREW_CONFIG_DIR, or .crew/config or "
            "config here and upwards, or ~/.config/crew, or those of the package).",
        ),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_version,
            help="Print the version and exit.",
        ),
    ],
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _secrets(context: click.Context) -> Secrets:
    """What no command shows, however it ends."""
    try:
        place = find(context.params["config"])
        return secrets_of(place.directory, read_environment(place))
    except SettingsError:  # the command itself reports it
        return Secrets()


def _carried_out(context: click.Context, *, as_json: bool) -> int:
    context.obj = context.params.get("config")
    try:
        code = int(_GROUP.invoke(context) or DONE)
        sys.stdout.flush()
        return code
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except click.UsageError as exc:
        return _misused(exc)
    except CrewError as exc:
        return print_error(exc, as_json=as_json)
    except KeyboardInterrupt as exc:
        stopped = Stopped.by(exc)
        print(f"crew: {stopped}", file=sys.stderr)
        if as_json and context.invoked_subcommand == "run":
            print(json.dumps({"error": [str(stopped)]}, indent=2))
        return stopped.exit_code
    except OSError as exc:
        return _unwritten(exc)


def _unwritten(error: OSError) -> int:
    if not isinstance(error, BrokenPipeError):  # as in `crew report | head`
        with suppress(OSError):
            print(f"crew: {file_problem(error)}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # Python would flush it once more, and report that
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED


def _misused(error: click.UsageError) -> int:
    """Say what is wrong with the command line; returns the exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return MISTAKEN
    message = error.format_message().removesuffix(".")
    if isinstance(error, click.exceptions.NoSuchOption) and error.ctx is not None:
        known = {name for param in _GROUP.params for name in param.opts}
        if error.option_name in known and error.ctx.parent is not None:
            message = (
                f"{error.option_name} stands before the command: "
                f"crew {error.option_name} ... {error.ctx.info_name}"
            )
    print(f"crew: {message[:1].lower()}{message[1:]}", file=sys.stderr)
    if error.ctx is not None:
        print(error.ctx.get_usage(), file=sys.stderr)
    return MISTAKEN


def _complete(instruction: str) -> int:
    # Imported here: only a shell asks for it.
    from click.shell_completion import shell_complete

    return shell_complete(_GROUP, {}, "crew", "_CREW_COMPLETE", instruction)
