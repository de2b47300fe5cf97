"""A user's tool: an object with `@tool`, an instance of `BaseTool`, or its class."""

from typing import Any

from crewai.tools import BaseTool

from crew.own.loading import NotLoaded, load, reason
from crew.settings import Settings
from crew.settings.own_values import OwnTool


def tool_of(settings: Settings, entry: OwnTool) -> BaseTool:
    """The tool of an entry; of a class, a new one. Raises NotLoaded."""
    found = load(settings.config_dir, entry.path, settings.digests)
    if isinstance(found, BaseTool):
        if entry.arguments is not None:
            raise NotLoaded(f"{entry.path} is a tool already; leave its arguments out")
        return found
    if isinstance(found, type) and issubclass(found, BaseTool):
        return _made(entry, found)
    if callable(found) and not isinstance(found, type):
        raise NotLoaded(
            f"{entry.path} is a function without @tool (from crewai.tools import tool)"
        )
    raise NotLoaded(f"{entry.path} is no tool of CrewAI's (BaseTool)")


def _made(entry: OwnTool, kind: type[BaseTool]) -> BaseTool:
    arguments: dict[str, Any] = dict(entry.arguments or {})
    try:
        return kind(**arguments)
    # Whatever the class of a user does with its arguments.
    except (Exception, SystemExit) as exc:
        given = f" with {', '.join(arguments)}" if arguments else ""
        raise NotLoaded(f"{entry.path} cannot be made{given}: {reason(exc)}") from exc
