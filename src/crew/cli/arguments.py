"""The arguments of the `crew` command."""

import argparse
import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

Command = Callable[[argparse.Namespace], int]
Names: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
PORTS = 65535


def parser(commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    """The parser; `command` of what it returns is one of the `commands`."""
    top = argparse.ArgumentParser(
        prog="crew",
        description="A development crew that keeps working when limits hit.",
        epilog="Exit codes: 0 done; 1 the crew failed; 2 the configuration or the "
        "arguments are wrong; 75 every deployment is closed; 130 interrupted. "
        "(By SIGTERM 143, by SIGHUP 129.)",
    )
    top.add_argument(
        "--config",
        metavar="DIR",
        help="the YAML files (default: CREW_CONFIG_DIR, or .crew/config or config "
        "here and upwards, or ~/.config/crew, or those of the package)",
    )
    names = top.add_subparsers(metavar="COMMAND", required=True)
    adding = {
        "run": _add_run,
        "check": _add_check,
        "status": _add_status,
        "report": _add_report,
        "emulate": _add_emulate,
        "trust": _add_trust,
    }
    for name, add in adding.items():
        add(names).set_defaults(command=commands[name])
    return top


def _add_run(names: Names) -> argparse.ArgumentParser:
    run = names.add_parser("run", help="run the crew on a request")
    run.add_argument(
        "request",
        nargs="?",
        metavar="REQUEST",
        help="what to do (default: what config/inputs.yaml says)",
    )
    run.add_argument(
        "--repo",
        action="append",
        default=[],
        metavar="PATH",
        help="a repository to work on, in a worktree of its own; may be repeated "
        "(default: the current one)",
    )
    run.add_argument(
        "--no-repo",
        action="store_true",
        help="work on no repository, in an empty workspace",
    )
    run.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="PATH",
        help="an image file or an http(s) address to look at; may be repeated",
    )
    run.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="K=V",
        help="a placeholder {K} of tasks.yaml; may be repeated",
    )
    _add_run_endings(run)
    return run


def _add_run_endings(run: argparse.ArgumentParser) -> None:
    run.add_argument(
        "--resume",
        metavar="RUN",
        help="continue a run; finished tasks are kept",
    )
    run.add_argument(
        "--comment",
        metavar="OWNER/REPO#NUMBER",
        help="show the comment for this GitHub issue: the description of the images, "
        "or else the result",
    )
    run.add_argument(
        "--post",
        action="store_true",
        help="post that comment; needs GITHUB_TOKEN (exit code 1 if posting fails)",
    )
    run.add_argument(
        "--json",
        action="store_true",
        help="print the run as one JSON document",
    )


def _add_check(names: Names) -> argparse.ArgumentParser:
    check = names.add_parser(
        "check",
        help="check the YAML, the keys, the models",
        description="Check the YAML. For each deployment it reports whether its key is "
        "set, whether its model is known or retired, and where litellm's table allows "
        "less than the YAML; for each role, whether its chain can do what the role "
        "needs. Without --online it makes no request.",
    )
    check.add_argument(
        "--online",
        action="store_true",
        help="ask each provider that has a key about the key and its models: id, "
        "abilities, window, price, retirement. This is free, except for a gateway (a "
        "base_url of your own) that does not list its models: it gets one call of a "
        "few tokens, if the limits have room for it",
    )
    return check


def _add_status(names: Names) -> argparse.ArgumentParser:
    status = names.add_parser("status", help="show how full each limit is")
    status.add_argument("--watch", action="store_true", help="refresh every 2 seconds")
    status.add_argument("--json", action="store_true", help="as one JSON document")
    return status


def _add_report(names: Names) -> argparse.ArgumentParser:
    report = names.add_parser("report", help="show what a run did and what it cost")
    report.add_argument("run", nargs="?", metavar="RUN", help="default: the latest")
    report.add_argument("--json", action="store_true", help="as one JSON document")
    return report


def _add_emulate(names: Names) -> argparse.ArgumentParser:
    emulate = names.add_parser("emulate", help="play the providers on loopback")
    emulate.add_argument(
        "--port",
        type=_port,
        default=0,
        metavar="N",
        help="default: a free one",
    )
    emulate.add_argument(
        "--speed",
        type=_speed,
        default=1.0,
        metavar="X",
        help="run the limits X times as fast as real time (default: 1)",
    )
    return emulate


def _add_trust(names: Names) -> argparse.ArgumentParser:
    trust = names.add_parser(
        "trust",
        help="accept a configuration that came with a repository",
        description="Show which addresses a configuration calls, which code it imports "
        "and which commands it starts, and accept it as it is now. Without this, a "
        "configuration that came with a repository is not used.",
    )
    trust.add_argument(
        "directory", nargs="?", metavar="DIRECTORY", help="default: the nearest one"
    )
    trust.add_argument("--yes", action="store_true", help="accept it without asking")
    trust.add_argument("--remove", action="store_true", help="accept it no longer")
    return trust


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > PORTS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, 0 to {PORTS}")
    return int(text)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not (math.isfinite(speed) and speed > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return speed
