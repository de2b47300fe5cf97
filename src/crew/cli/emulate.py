"""`crew emulate`."""

import math

import click

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
    return serve_forever(load_tiers(config), port=port, speed=speed)
