"""`crew journal info`."""

import json

import click

from crew.cli.console import DONE, print_safe
from crew.cli.past import past_runs
from crew.cli.place import placed
from crew.journal import Contents, journal_file
from crew.reports.document import iso_moment
from crew.settings import Settings
from crew.settings.loader import load_tiers

_DAY = 86_400
_NAMES = {"run": "runs", "task": "tasks", "attempt": "attempts", "call": "calls"}


@click.command(
    help="Show what is in the journal: its size, its rows, the oldest run, and how "
    "long runs are kept."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def command(config: str | None, as_json: bool) -> int:
    """Print what is in it; returns the exit code."""
    show(config, as_json=as_json)
    return DONE


def show(config: str | None, *, as_json: bool = False) -> None:
    """Print what is in the journal. Raises SettingsError and StoreUnavailable."""
    settings = load_tiers(placed(config))
    with past_runs(settings) as journal:
        found = journal.retention.contents()
    if as_json:
        print(json.dumps(_document(settings, found), indent=2))
        return
    free = f", {megabytes(found.free_bytes)} of them free" if found.free_bytes else ""
    rows = ", ".join(f"{found.rows[one]:,} {name}" for one, name in _NAMES.items())
    print_safe(str(journal_file(settings.state_dir)))
    print(f"  size    {megabytes(found.bytes)}{free}")
    print(f"  format  {found.format}")
    print(f"  rows    {rows}")
    print(f"  oldest  {iso_moment(found.oldest) or 'no run'}")
    print(f"  kept    {_kept(settings)}")


def megabytes(size: int) -> str:
    """A size on the disk."""
    return f"{size / 1024**2:,.1f} MB"


def _kept(settings: Settings) -> str:
    if settings.keep_seconds is None:
        return "always (journal: {keep: 90d} in tiers.yaml changes that)"
    return f"{settings.keep_seconds / _DAY:.0f} days (tiers.yaml)"


def _document(settings: Settings, found: Contents) -> dict[str, object]:
    return {
        "path": str(journal_file(settings.state_dir)),
        "format": found.format,
        "bytes": found.bytes,
        "free_bytes": found.free_bytes,
        "rows": dict(found.rows),
        "oldest_run_at": iso_moment(found.oldest),
        "keep_seconds": settings.keep_seconds,
    }
