"""What CrewAI's own commands (`crewai train`, `replay`, `test`) work on."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crew.cli.console import (
    MISTAKEN,
    OUTPUT,
    argument_error,
    print_error,
    print_notice,
    safe_output,
)
from crew.cli.place import placed
from crew.cli.readiness import import_lifecycle, prepare_state
from crew.errors import CrewError
from crew.settings.loader import load_settings

if TYPE_CHECKING:
    from crewai import Crew


@contextmanager
def open_crew() -> Iterator[tuple["Crew", dict[str, str]]]:
    """A plain crew and its inputs from inputs.yaml, for CrewAI's other commands;
    without any key it rehearses. Exits on an error of ours."""
    try:
        settings = load_settings(placed(None))
    except CrewError as exc:
        sys.exit(print_error(exc, as_json=False))
    with safe_output(settings.secrets), _exiting():
        given = settings.inputs
        if given is None:
            raise argument_error("inputs.yaml", f"{settings.config_dir} has none")
        values = {"repositories": "none", "images": "none", **given.values}
        prepare_state(settings.state_dir)
        import_lifecycle(settings)
        # Here, as it takes seconds, too.
        from crew.runs.fresh import opened_crew

        with opened_crew(settings, OUTPUT, print_notice) as crew:
            yield crew, {"request": given.request, **values}


@contextmanager
def _exiting() -> Iterator[None]:
    try:
        yield
    except CrewError as exc:
        sys.exit(print_error(exc, as_json=False))
    except EOFError:
        print("crew: it asks for your feedback: use a terminal", file=sys.stderr)
        sys.exit(MISTAKEN)
