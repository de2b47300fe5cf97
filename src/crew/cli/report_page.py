"""`crew report RUN --html FILE`: the page of one run."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from crew.cli.live.controls import budget_of_run
from crew.cli.report_time import write_page
from crew.errors import CrewError
from crew.guard import QuotaGuard
from crew.journal import Journal
from crew.progress.events import Event
from crew.progress.log import read_events
from crew.quota.store import PoolState
from crew.reports.page.run_page import RunSources, run_page
from crew.reports.report import build_report
from crew.reports.summary import next_commands
from crew.runs.directory import RunDirectory
from crew.settings import Settings
from crew.workspace import Workspace
from crew.workspace.difference import text


def write_run_page(
    path: Path,
    settings: Settings,
    journal: Journal,
    directory: RunDirectory,
    document: Mapping[str, Any],
    *,
    config: str | None,
    with_texts: bool,
) -> None:
    """Write the page of a run. Raises SettingsError and StoreUnavailable."""
    page = page_of_run(
        settings,
        journal,
        directory,
        document,
        config=config,
        with_texts=with_texts,
    )
    write_page(path, page)


def page_of_run(
    settings: Settings,
    journal: Journal,
    directory: RunDirectory,
    document: Mapping[str, Any],
    *,
    config: str | None,
    with_texts: bool,
) -> str:
    """The page of a run. Raises StoreUnavailable."""
    run = document["run"]
    masked = settings.secrets.masked_document(document)
    assert isinstance(masked, dict)
    page = run_page(
        RunSources(
            document=masked,
            report=build_report(journal, run),
            attempts=journal.attempts.of(run),
            events=_events(directory),
            budget=budget_of_run(settings),
            pools=_pools(settings),
            commands=next_commands(document, config) if directory.is_begun else (),
            diffs=_diffs(directory, run) if with_texts else None,
            with_texts=with_texts,
        )
    )
    return settings.secrets.masked(page)


def _events(directory: RunDirectory) -> list[Event]:
    """What happened; empty where the files of the run are gone."""
    try:
        return list(read_events(directory.path / "events.jsonl"))
    except OSError:
        return []


def _pools(settings: Settings) -> list[PoolState]:
    """How the limits stand now; empty where the store does not answer."""
    with suppress(CrewError):
        guard = QuotaGuard.open(settings)
        try:
            return guard.status()
        finally:
            guard.close()
    return []


def _diffs(directory: RunDirectory, run: str) -> dict[str, str]:
    """What the run changed, by repository; without those that are gone."""
    found: dict[str, str] = {}
    with suppress(CrewError):
        workspace = Workspace.recorded(directory.workspace, run)
        written = workspace.touched()
        for repository in workspace.repositories:
            with suppress(CrewError):
                shown = text(repository, written, stat=False)
                found[repository.name] = shown.encode("utf-8", "replace").decode()
    return found
