"""`crew models`."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from crew.cli.console import DONE, print_safe, terminal_lines
from crew.cli.place import placed
from crew.cli.settings_of import settings_of
from crew.clock import SystemClock
from crew.models.catalogue import catalogue, matching
from crew.models.lines import (
    BESIDE,
    document,
    foot_lines,
    list_lines,
    place_lines,
)

if TYPE_CHECKING:
    from crew.models.asking import Place
    from crew.providers.probe import Probe


@click.command(
    help="List the models that your keys reach, and mark those that the YAML uses. "
    "WORDS are parts of an id, of a deployment's name, or the name of a provider. "
    "Without words and options it counts them by provider. Each provider that has a "
    "key is asked for its list, which is free; without a key it is what litellm's "
    "table knows."
)
@click.argument("words", nargs=-1)
@click.option("--free", is_flag=True, help="Only what costs nothing.")
@click.option("--see", is_flag=True, help="Only what takes images.")
@click.option("--tools", is_flag=True, help="Only what calls tools.")
@click.option(
    "--all", "everything", is_flag=True, help="List what does not fit the screen, too."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def command(
    config: str | None,
    words: tuple[str, ...],
    *,
    free: bool,
    see: bool,
    tools: bool,
    everything: bool,
    as_json: bool,
) -> int:
    """Print the models that there are; returns the exit code."""
    settings = settings_of(placed(config))
    answers: Mapping[Place, Probe] = {}
    if any(one.available for one in settings.providers.values()):
        # Imported here: only this needs an HTTP client.
        from crew.models.asking import ask

        answers = ask(settings)
    today = datetime.fromtimestamp(SystemClock().now(), UTC).date()
    known = catalogue(settings, answers, today)
    offers = matching(known.offers, words, free=free, see=see, tools=tools)
    if as_json:
        print(json.dumps(document(settings, known, offers), indent=2))
        return DONE
    if words or free or see or tools or everything:
        lines = list_lines(offers, most=None if everything else _height())
    else:
        lines = place_lines(settings, known)
    for line in lines:
        print_safe(line)
    if not offers:
        print_safe("none is known")
    for line in foot_lines(known):
        print_safe(line)
    if not (words or free or see or tools or everything):
        print_safe("to list them: crew models WORDS, --free, --see, --tools, or --all")
    return DONE


def _height() -> int | None:
    """How many lines fit between the head and the foot; None where there is no
    terminal."""
    lines = terminal_lines()
    return None if lines is None else max(1, lines - BESIDE)
