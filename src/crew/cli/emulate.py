"""`crew emulate`."""

import argparse

from crew.emulator.process import serve_forever
from crew.settings.loader import load_settings


def emulate(options: argparse.Namespace) -> int:
    settings = load_settings(options.config)
    return serve_forever(settings, port=options.port, speed=options.speed)
