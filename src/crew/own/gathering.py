"""Everything of the user's that a configuration names, imported and ready.

It is gathered before a run begins, so that all mistakes are reported at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crewai.tools import BaseTool
from crewai.utilities.string_utils import sanitize_tool_name
from pydantic import BaseModel

from crew.errors import Mistake, SettingsError
from crew.own.gates import OwnGate
from crew.own.loading import NotLoaded, load
from crew.own.servers import NotServed, server_tools
from crew.own.tools import tool_of
from crew.settings import TOOLS, Role, Settings, TaskSpec
from crew.settings.document import Document, KeyPath
from crew.settings.own import OUTPUTS
from crew.settings.own_values import OwnTool

Made = tuple[KeyPath, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What a crew gets of its user's. `tools` and `agent_options` are by role, and
    `outputs` and `callbacks` by task; `gates` are by dotted path."""

    tools: Mapping[str, list[BaseTool]] = field(default_factory=dict)
    agent_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    outputs: Mapping[str, Mapping[str, type[BaseModel]]] = field(default_factory=dict)
    callbacks: Mapping[str, Callable[[Any], object]] = field(default_factory=dict)
    gates: Mapping[str, OwnGate] = field(default_factory=dict)


def gather(settings: Settings) -> Own:
    """Import what the YAML names, make its tools, and ask its MCP servers what they
    have. Raises SettingsError with everything that does not work."""
    agents, tasks = _Things(settings, "agents"), _Things(settings, "tasks")
    own = Own(
        tools={
            name: tools
            for name, role in settings.roles.items()
            if (tools := agents.tools(role))
        },
        agent_options={
            name: {
                key: agents.function((name, key), dotted)
                for key, dotted in role.own.items()
            }
            for name, role in settings.roles.items()
        },
        outputs={name: tasks.outputs(spec) for name, spec in settings.tasks.items()},
        callbacks={
            name: tasks.function((name, "callback"), spec.own["callback"])
            for name, spec in settings.tasks.items()
            if "callback" in spec.own
        },
        gates={
            gate.name: tasks.gate((name, "gates", index), gate.name)
            for name, spec in settings.tasks.items()
            for index, gate in enumerate(spec.gates)
            if gate.is_own
        },
    )
    if mistakes := [*agents.mistakes, *tasks.mistakes]:
        raise SettingsError(mistakes)
    return own


class _Things:
    """The things that one file of YAML names, and what is wrong with them."""

    def __init__(self, settings: Settings, file: str) -> None:
        self.mistakes: list[Mistake] = []
        self._settings = settings
        self._path: Path = settings.config_dir / f"{file}.yaml"

    def tools(self, role: Role) -> list[BaseTool]:
        """The role's own tools, in order."""
        made: list[BaseTool] = []
        taken: set[str] = set()
        for index, entry in role.own_tools.items():
            place = (role.name, "tools", index)
            try:
                if isinstance(entry, OwnTool):
                    found = [tool_of(self._settings, entry)]
                else:
                    found = server_tools(entry, self._settings)
            except (NotLoaded, NotServed) as exc:
                self._reject(place, str(exc))
                continue
            for tool in found:
                name = sanitize_tool_name(tool.name)
                if name in TOOLS or name in taken:
                    whose = "of this package" if name in TOOLS else "of this role"
                    self._reject(
                        place,
                        f"{name!r} is the name of another tool {whose}; name it "
                        "otherwise, or give its MCP server a `prefix`",
                    )
                taken.add(name)
            made += found
        return made

    def function(self, place: KeyPath, dotted: str) -> Any:
        """A function of the user's."""
        found = self._load(place, dotted)
        if found is not None and not callable(found):
            self._reject(place, f"{dotted} is no function")
        return found

    def gate(self, place: KeyPath, dotted: str) -> OwnGate:
        """A gate of the user's."""
        return OwnGate(dotted, self.function(place, dotted))

    def outputs(self, spec: TaskSpec) -> dict[str, type[BaseModel]]:
        """The model that a task's result becomes."""
        found: dict[str, type[BaseModel]] = {}
        for key in OUTPUTS:
            if (dotted := spec.own.get(key)) is None:
                continue
            place = (spec.name, key)
            model = self._load(place, dotted)
            if isinstance(model, type) and issubclass(model, BaseModel):
                found[key] = model
            elif model is not None:
                self._reject(place, f"{dotted} is no class of pydantic's (BaseModel)")
        return found

    def _load(self, place: KeyPath, dotted: str) -> object:
        try:
            settings = self._settings
            return load(settings.config_dir, dotted, settings.digests)
        except NotLoaded as exc:
            self._reject(place, str(exc))
            return None

    def _reject(self, place: KeyPath, message: str) -> None:
        line, key, _ = Document(self._path, {}).at(place)
        masked = self._settings.secrets.masked(message)
        self.mistakes.append(
            Mistake(file=str(self._path), line=line, key=key, message=masked)
        )
