"""`crew emulate`."""

import argparse

from crew.cli.place import placed
from crew.emulator.process import serve_forever
from crew.settings.loader import load_tiers


def emulate(options: argparse.Namespace) -> int:
    """Play the providers until a signal comes; returns the exit code."""
    settings = load_tiers(placed(options.config))
    return serve_forever(settings, port=options.port, speed=options.speed)
