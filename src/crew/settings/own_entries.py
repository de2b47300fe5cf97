"""What the entries of the YAML are, once they are checked one by one."""

from collections.abc import Sequence

from crew.settings.own import is_dotted
from crew.settings.own_values import OwnTool, Server
from crew.settings.schema import ServerEntry, Shape

Entry = str | OwnTool | ServerEntry


def ours(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The tools of this package among the entries."""
    return tuple(one for one in entries if isinstance(one, str) and not is_dotted(one))


def own(entries: Sequence[Entry]) -> dict[int, OwnTool | Server]:
    """The other entries, by their place in the list."""
    found: dict[int, OwnTool | Server] = {}
    for index, entry in enumerate(entries):
        match entry:
            case ServerEntry():
                found[index] = _server(entry)
            case OwnTool():
                found[index] = entry
            case str() if is_dotted(entry):
                found[index] = OwnTool(path=entry)
            case _:
                pass
    return found


def _server(entry: ServerEntry) -> Server:
    given = entry.mcp
    return Server(
        command=tuple(given.command or ()),
        url=given.url,
        env=given.env,
        headers=given.headers,
        tools=None if given.tools is None else tuple(given.tools),
        prefix=given.prefix,
    )


def named(shape: Shape, keys: tuple[str, ...]) -> dict[str, str]:
    """The dotted paths that are given for these keys."""
    return {key: path for key in keys if (path := getattr(shape, key, None))}
