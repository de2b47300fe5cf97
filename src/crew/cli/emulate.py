"""`crew emulate`."""

import json
import math
import sys

import click

from crew.cli.place import placed
from crew.emulator.guide import guide
from crew.emulator.process import serve_forever
from crew.settings.loader import load_tiers

PORTS = 65535


def _finite(ctx: click.Context, param: click.Parameter, speed: float) -> float:
    if not (math.isfinite(speed) and speed > 0):
        raise click.BadParameter(f"{speed} is not a number above 0")
    return speed


@click.command(help="Play the providers on loopback, under the limits of the YAML.")
@click.option(
    "--port",
    type=click.IntRange(0, PORTS),
    default=0,
    metavar="N",
    help="Where to listen (default: a free port).",
)
@click.option(
    "--speed",
    type=float,
    callback=_finite,
    default=1.0,
    metavar="X",
    help="Run the limits X times as fast as real time (default: 1).",
)
@click.pass_obj
def command(config: str | None, port: int, speed: float) -> int:
    """Play the providers until a signal comes; returns the exit code."""
    settings = load_tiers(placed(config))

    def ready(port: int) -> None:
        print(json.dumps({"port": port}), flush=True)
        for line in guide(settings, f"http://127.0.0.1:{port}"):
            print(line, file=sys.stderr)

    return serve_forever(settings, port=port, speed=speed, ready=ready)
