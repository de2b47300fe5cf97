"""Every key of the YAML files, from the shapes that check them.

What a key means stands in meanings.yaml beside this file; a key without a meaning,
and a meaning without a key, are errors.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from crew.settings import fields, own, schema, schema_inputs
from crew.settings.alerts_shape import AlertsShape
from crew.settings.crewai_keys import AGENT_KEYS, CREW_KEYS, TASK_KEYS
from crew.settings.experiments_shape import ExperimentsFile, ExperimentShape
from crew.settings.gates import GATES, WITH_A_VALUE, GateSpec
from crew.settings.journal_shape import JournalShape, Keep
from crew.settings.ladder_shape import EscalationShape, LadderShape
from crew.settings.regression_shape import RegressionShape
from crew.settings.values import TOOLS

SECTIONS: Mapping[str, tuple[str, type[BaseModel] | None]] = {
    "agents.yaml: a role": ("role", schema.RoleShape),
    "agents.yaml: a role's pattern": ("pattern", schema.PatternShape),
    "agents.yaml: an MCP server": ("server", schema.ServerShape),
    "tasks.yaml": ("tasks", None),
    "tasks.yaml: a task": ("task", schema.TaskShape),
    "providers.yaml": ("providers_file", schema.ProvidersFile),
    "providers.yaml: a provider": ("provider", schema.ProviderShape),
    "providers.yaml: a plan": ("plan", schema.PlanShape),
    "providers.yaml: a deployment": ("deployment", schema.DeploymentShape),
    "providers.yaml: a price": ("price", schema.PriceShape),
    "tiers.yaml": ("tiers_file", schema.TiersFile),
    "tiers.yaml: a tier": ("tier", schema.TierShape),
    "tiers.yaml: a routing rule": ("rule", schema.RuleShape),
    "tiers.yaml: ladder": ("ladder", LadderShape),
    "tiers.yaml: ladder.escalate": ("escalate", EscalationShape),
    "tiers.yaml: a budget": ("budget", schema.BudgetShape),
    "tiers.yaml: alerts": ("alerts", AlertsShape),
    "experiments.yaml": ("experiments_file", ExperimentsFile),
    "experiments.yaml: an experiment": ("experiment", ExperimentShape),
    "tiers.yaml: regression": ("regression", RegressionShape),
    "tiers.yaml: journal": ("journal", JournalShape),
    "inputs.yaml": ("inputs_file", schema_inputs.InputsFile),
    "inputs.yaml: sandbox": ("sandbox", schema_inputs.SandboxShape),
}
_LIMITS = "a limit, or a list of them"
_DOTTED = "`FILE.NAME`"
_NAMED: tuple[tuple[object, str], ...] = (
    (fields.Address, "an address"),
    (fields.Duration, "a duration"),
    (fields.Timeout, "a duration"),
    (Keep, "days or weeks"),
    (fields.AnyLimits, _LIMITS),
    (schema.Budgets, "a limit, a budget, or a list of them"),
    (fields.Limits, _LIMITS),
    (fields.PlanLimits, f"{_LIMITS}, or by class"),
    (fields.ScopedLimits, f"{_LIMITS}, or by name"),
    (fields.Dollars, "US dollars"),
    (schema.PartChain, "a name, or a list of names"),
    (fields.Chain, "a list of names"),
    (fields.Positive, "a whole number, from 1"),
    (fields.InputText, "a text, number, date, or list of them"),
    (fields.Parameter, "any value"),
    (fields.HeaderName, "a name"),
    (fields.HeaderValue, "a text"),
    (fields.Program, "a name"),
    (own.DottedPath, _DOTTED),
    (own.Variable, "a name"),
    (own.Word, "a name"),
    (schema.ToolEntry, "a tool"),
    (schema_inputs.Size, "a size"),
    (schema_inputs.Command, "a command"),
    (fields.Text, "a text"),
)


def reference() -> str:
    """A section for each kind of entry, and one for what is refused."""
    meanings = yaml.safe_load(Path(__file__).with_name("meanings.yaml").read_text())
    parts = [
        _section(title, shape, meanings.pop(name, {}))
        for title, (name, shape) in SECTIONS.items()
    ]
    if meanings:
        raise ValueError(f"meanings.yaml explains what is not there: {list(meanings)}")
    tools = f"Tools ([tools.md](tools.md)): {_names(TOOLS)}."
    gates = f"Gates ([gates.md](gates.md)): {_names((*GATES, *WITH_A_VALUE))}."
    return "\n\n".join([*parts, "### Names", tools, gates])


def _names(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def refused() -> str:
    """CrewAI's keys that the YAML does not take, and what to do instead."""
    tables = []
    for title, keys in (
        ("A role", AGENT_KEYS),
        ("A task", TASK_KEYS),
        ("The crew", CREW_KEYS),
    ):
        rows = {key: why for key, why in keys.items() if "fills this in" not in why}
        lines = [f"| `{key}` | {_cell(why)} |" for key, why in sorted(rows.items())]
        head = ["| Key | Instead |", "|---|---|"]
        tables.append("\n".join([f"### {title}", "", *head, *lines]))
    return "\n\n".join(tables)


def _section(
    title: str, shape: type[BaseModel] | None, meanings: Mapping[str, str]
) -> str:
    known = dict(_entries(shape) if shape is not None else _PROCESS)
    if set(known) != set(meanings):
        odd = sorted(set(known) ^ set(meanings))
        raise ValueError(f"meanings.yaml, {title}: missing, or too much: {odd}")
    rows = [
        f"| `{key}` | {kind} | {default} | {_cell(meanings[key])} |"
        for key, (kind, default) in known.items()
    ]
    head = ["| Key | Value | Default | Meaning |", "|---|---|---|---|"]
    return "\n".join([f"### {title}", "", *head, *rows])


_PROCESS = {"process": ("`hierarchical`, `sequential`", "`hierarchical`")}


def _entries(shape: type[BaseModel]) -> dict[str, tuple[str, str]]:
    hints = get_type_hints(shape, include_extras=True)
    named = shape.model_fields
    inherited = {name for base in shape.__bases__ for name in base.__annotations__}
    ours = [name for name in named if name not in inherited]
    return {
        named[name].alias or name: (
            _cell(_kind(hints[name])),
            _default(hints[name], named[name]),
        )
        for name in dict.fromkeys([*ours, *named])
    }


def _kind(hint: Any) -> str:
    for known, words in _NAMED:
        if hint == known:
            return words
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        kinds = [_kind(one) for one in inner if one is not type(None)]
        return ", or ".join(dict.fromkeys(kinds))
    if origin is list:
        return f"a list: {_kind(inner[0])}"
    if origin is dict:
        return f"a mapping: {_kind(inner[1])}"
    if origin is Literal:
        return _names(inner)
    if origin is Annotated and inner[0] is GateSpec:
        return "a gate"
    if origin is Annotated:
        return _allowed(hint) or _kind(inner[0])
    return _plain(hint)


def _plain(hint: Any) -> str:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return "a mapping, see below"
    words = {str: "a text", bool: "`true` or `false`", int: "a whole number"}
    if hint is object:
        return "an entry, see below"
    return words.get(hint) or getattr(hint, "__name__", "a value").lower()


def _allowed(hint: Any) -> str:
    """What the check of a value says that it allows."""
    for wrong in ("\N{SNOWMAN}", -1):
        try:
            TypeAdapter(hint).validate_python(wrong)
        except ValidationError as exc:
            told = exc.errors()[0]
            if "allowed: " in told["msg"]:
                words = told["msg"].rpartition("allowed: ")[2]
                names = words.split(", ")
                if all(name.replace("_", "").isalpha() for name in names):
                    return _names(names)
                return words
            if told["type"].startswith(("greater", "less")):
                return _number(hint)
    return ""


def _number(hint: Any) -> str:
    whole = get_args(hint)[0] is int
    bounds = {
        name: getattr(one, name)
        for field in get_args(hint)[1:]
        for one in getattr(field, "metadata", [])
        for name in ("ge", "le")
        if hasattr(one, name)
    }
    span = f", from {bounds['ge']}" if "ge" in bounds else ""
    span += f" to {bounds['le']}" if "le" in bounds else ""
    return f"{'a whole number' if whole else 'a number'}{span}"


def _default(hint: Any, field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.default
    if value is PydanticUndefined or value is None or value in ([], {}):
        return ""
    if hint in (fields.Duration, fields.Timeout) and isinstance(value, float):
        minutes = value >= 60 and value % 60 == 0
        return f"`{value / 60:g}m`" if minutes else f"`{value:g}s`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if isinstance(value, str | int) else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
