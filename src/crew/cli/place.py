"""Which configuration a command works with."""

from collections.abc import Iterator

from crew.cli.console import print_notice
from crew.settings.key_files import ENV_FILE
from crew.settings.places import Origin, Place, find


def placed(config: str | None) -> Place:
    """The configuration of a command; says on stderr which one is passed over. Raises
    SettingsError."""
    place = find(config)
    for line in place.notices:
        print_notice(line)
    return place


def search_lines(place: Place) -> Iterator[str]:
    """The places of the search, in order, what came of each, and the `.env`."""
    yield "looked for in this order, up to the first that can be used:"
    known: dict[Origin, list[str]] = {}
    for step in place.steps:
        known.setdefault(step.origin, []).append(step.found)
    width = max(len(origin) for origin in Origin)
    for origin in Origin:
        for found in known.get(origin, ["not looked at"]):
            yield f"  {origin:<{width}}  {found}"
    files = [f"{path}{'' if path.is_file() else ' (none)'}" for path in place.dotenv]
    yield f"keys: {', '.join([*files, 'the environment'])}"
    for path in place.unread:
        yield f"not read: {path} (it may be an application's; {ENV_FILE} names it)"
