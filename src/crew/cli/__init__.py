"""The `crew` command, one file a command."""

from crew.cli.app import main

__all__ = ["main"]
