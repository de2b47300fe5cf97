"""Tools of one's own, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTool:
    """A tool by its dotted path. `arguments` are those of its class, if it is one."""

    path: str
    arguments: Mapping[str, object] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """An MCP server: a `command`, which gets no variable of ours but those in `env`,
    or a `url` with its `headers`. `tools` are those that the role gets (None: all); a
    `prefix` goes before their names."""

    command: tuple[str, ...] = ()
    url: str | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tools: tuple[str, ...] | None = None
    prefix: str | None = None

    @property
    def shown(self) -> str:
        """How a message names it."""
        return self.url or self.command[0]
