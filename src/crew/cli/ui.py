"""`crew ui`."""

import os
import secrets
import sys
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crew.cli.browser import shown_in_browser
from crew.cli.console import DONE, argument_error, print_notice
from crew.cli.place import placed
from crew.cli.settings_of import settings_or_tiers
from crew.clock import SystemClock
from crew.journal import Journal, journal_file
from crew.settings import Settings

if TYPE_CHECKING:
    from crew.ui.page import Page

PORTS = 65535


@click.command(
    help="Show runs, limits and money on a live page, on this machine alone; with "
    "metrics for Prometheus at /metrics."
)
@click.option(
    "--port",
    type=click.IntRange(0, PORTS),
    default=0,
    metavar="N",
    help="Where to listen on 127.0.0.1 (default: a free port).",
)
@click.option("--no-open", is_flag=True, help="Do not open a browser.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the token there too, for Prometheus' credentials_file.",
)
@click.pass_obj
def command(
    config: str | None, port: int, no_open: bool, token_file: Path | None
) -> int:
    """Serve the page until a signal comes; returns the exit code."""
    # On use: the server takes a while to load, and the help needs none of it.
    from crew.ui.live import serve
    from crew.ui.server import listening
    from crew.ui.sources import Sources

    settings = settings_or_tiers(placed(config))
    try:
        bound = listening(port)
    except OSError as exc:
        # Python's own words repeat the address.
        why = os.strerror(exc.errno) if exc.errno else str(exc)
        raise argument_error("--port", f"{port}: {why}") from exc
    token = secrets.token_urlsafe(32)
    if token_file is not None:
        write_token(token_file, token)
    address = f"http://127.0.0.1:{bound.getsockname()[1]}/?token={token}"
    print(address, flush=True)
    print("Only who has this address can open it. Ctrl-C ends it.", file=sys.stderr)
    sources = Sources(settings, SystemClock(), print_notice)
    opened = nullcontext() if no_open else shown_in_browser(address, settings.state_dir)
    with opened:
        serve(
            sources,
            bound,
            token=token,
            report=partial(reports, settings, config=config),
        )
    return DONE


def reports(settings: Settings, run: str, config: str | None = None) -> "Page | None":
    """The page of a run, as `crew report RUN --html` makes it; None where there is no
    such run. Raises StoreUnavailable."""
    # On use: templates take a while to load.
    from crew.cli.report_page import page_of_run
    from crew.cli.report_run import record_of_run
    from crew.reports.page.rendering import policy
    from crew.ui.page import Page

    path = journal_file(settings.state_dir)
    if not path.exists():
        return None
    with Journal.open(path, SystemClock()) as journal:
        found = journal.run(run)
        if found is None:
            return None
        _, directory, document = record_of_run(journal, found)
        page = page_of_run(
            settings, journal, directory, document, config=config, with_texts=False
        )
    return Page(page, f"{policy()}; frame-ancestors 'none'")


def write_token(path: Path, token: str) -> None:
    """Write the token for its user alone; a file that is there keeps who may read it.
    Raises SettingsError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="ascii") as file:
            file.write(f"{token}\n")
    except OSError as exc:
        raise argument_error("--token-file", f"{path}: {exc.strerror}") from exc
