"""`python -m crew.emulator`: the emulator on loopback, from a configuration."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from crew.clock import Clock, ScaledClock, SystemClock
from crew.emulator.app import build_app
from crew.emulator.faults import default_orders
from crew.emulator.server import serve
from crew.errors import SettingsError
from crew.settings.loader import load_tiers


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until stopped. Prints `{"port": N}` once it accepts connections."""
    chosen = _parser().parse_args(arguments)
    try:
        # A child has what it needs in its environment: it reads no `.env` by itself.
        environ = os.environ if chosen.with_parent else None
        settings = load_tiers(chosen.config_dir, environ=environ)
    except SettingsError as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    orders = default_orders(settings.providers) if chosen.default_faults else []
    clock = _clock(chosen.speed, chosen.now)
    app = build_app(settings, clock, orders=orders, latency=chosen.latency)
    serve(app, port=chosen.port, with_parent=chosen.with_parent)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m crew.emulator")
    parser.add_argument("--config-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--speed", type=float, default=1.0, help="hours in seconds")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds per answer")
    parser.add_argument("--now", help="EMULATED@REAL: the time that it was, and when")
    parser.add_argument("--default-faults", action="store_true")
    parser.add_argument("--with-parent", action="store_true", help="end with stdin")
    return parser


def _clock(speed: float, reported: str | None) -> Clock:
    if reported is not None:
        now, at = (float(moment) for moment in reported.split("@"))
        return ScaledClock(speed, now + (SystemClock().now() - at) * speed)
    return SystemClock() if speed == 1.0 else ScaledClock(speed)


if __name__ == "__main__":
    sys.exit(main())
