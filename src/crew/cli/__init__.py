"""The `crew` command, one file a command."""

from crew.cli.run import main, open_crew

__all__ = ["main", "open_crew"]
