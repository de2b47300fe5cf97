"""What `crew run` and `crew report` print at the end of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crew.cli.console import print_safe
from crew.reports.report import RunReport
from crew.reports.summary import (
    WIDTH,
    changed_lines,
    next_commands,
    open_lines,
    proof_lines,
)
from crew.reports.text import summary_lines, task_lines


def show_end(
    document: Mapping[str, Any], report: RunReport, output: Path, config: str | None
) -> None:
    """The summary of a run, and where its files are."""
    show_summary(document, report, config)
    print_safe(f"\n{run_line(document, output)}")


def run_line(document: Mapping[str, Any], output: Path) -> str:
    """How a run ended, and where its files are."""
    see = f"; see {output}/" if output.exists() else ""
    return f"run {document['run']}: {document['status']}{see}"


def show_summary(
    document: Mapping[str, Any], report: RunReport, config: str | None
) -> None:
    """What changed, what proved it and what is open; then who did it and at what cost;
    then how to go on."""
    for part in (
        changed_lines(document["workspace"]),
        proof_lines(document["tasks"]),
        open_lines(document),
    ):
        for line in part:
            print_safe(line)
    print()
    for line in task_lines(document["tasks"]):
        print_safe(line)
    print_safe(f"\n{summary_lines(report, width=WIDTH)}")
    commands = next_commands(document, config)
    if commands:
        print("\nNext:")
    for line in commands:
        print_safe(f"  {line}")
