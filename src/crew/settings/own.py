"""What the YAML names of one's own: tools, MCP servers, gates, callbacks, models."""

import keyword
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    InstanceOf,
)

from crew.settings.fields import Text
from crew.settings.own_values import OwnTool
from crew.settings.values import TOOLS
from crew.settings.wording import shown, unknown

FORM = "FILE.NAME, for what FILE.py beside this YAML defines"
"""What a dotted path looks like."""


def is_dotted(name: str) -> bool:
    """Whether a name is a dotted path and none of ours."""
    return "." in name


def _dotted(value: str) -> str:
    parts = value.split(".")
    if len(parts) > 1 and all(
        part.isidentifier() and not keyword.iskeyword(part) for part in parts
    ):
        return value
    raise ValueError(f"{value[:60]!r} is no dotted path; allowed: {FORM}")


def _tool_name(value: str) -> str:
    if is_dotted(value):
        return _dotted(value)
    if value in TOOLS:
        return value
    if value == "mcp":
        raise ValueError("allowed: `mcp: {command: [...]}` or `mcp: {url: ...}`")
    raise ValueError(f"{unknown('tool', value, TOOLS)}; or {FORM}")


def _with_arguments(value: object) -> OwnTool:
    """`{FILE.NAME: {argument: value}}`."""
    entries = list(value.items()) if isinstance(value, dict) else []
    if len(entries) != 1:
        raise ValueError(
            f"found {len(entries)} keys, expected one: FILE.NAME with its arguments, "
            "or mcp"
        )
    (path, arguments), *_ = entries
    if path in TOOLS:
        raise ValueError(f"{path!r} takes no arguments; write its name alone")
    _dotted(path)
    if not isinstance(arguments, dict):
        found = shown(arguments)
        raise ValueError(f"{path}: found {found}, expected a mapping of arguments")
    return OwnTool(path=path, arguments=arguments)


def form(value: object) -> str:
    """Which of the forms of a tool it is meant to be."""
    if not isinstance(value, dict):
        return "name"
    return "server" if "mcp" in value else ""


def _word(name: str) -> str:
    if not (name.isidentifier() and name.isascii()):
        raise ValueError(f"{name[:60]!r} does not fit; allowed: letters, digits and _")
    return name


ToolName = Annotated[Text, AfterValidator(_tool_name)]
ToolWithArguments = Annotated[InstanceOf[OwnTool], BeforeValidator(_with_arguments)]
Variable = Annotated[str, AfterValidator(_word)]
Word = Annotated[Text, AfterValidator(_word)]
DottedPath = Annotated[Text, AfterValidator(_dotted)]

CALLBACKS = ("callback", "step_callback")
OUTPUTS = ("output_pydantic", "output_json")
