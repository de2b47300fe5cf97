"""The `crew` command, one file a command."""

from crew.cli.app import main
from crew.cli.crewai_commands import open_crew

__all__ = ["main", "open_crew"]
