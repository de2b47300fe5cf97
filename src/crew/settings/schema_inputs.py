"""The shape of inputs.yaml: what a run works on, and the checks that prove it."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from crew.settings.checks import RUNTIMES
from crew.settings.fields import InputText, Positive, Text, Timeout, one_of
from crew.settings.schema import Shape
from crew.settings.wording import shown

NETWORKS = ("none", "setup")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([MG])B", re.IGNORECASE)
_LINE = re.compile(r"[^\n\0]*\n?")
_UNITS = {"M": 2**20, "G": 2**30}
_LEAST = 16 * 2**20
_MOST = 2**50


def _size(value: object) -> int:
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    size = int(float(match[1]) * _UNITS[match[2].upper()]) if match else 0
    if not _LEAST <= size <= _MOST:
        raise ValueError(
            f"found {shown(value)}; allowed: a size such as 512 MB or 4 GB, "
            "at least 16 MB"
        )
    return size


def _sandbox(value: object) -> object:
    """A bare word is the runtime."""
    return {"runtime": value} if isinstance(value, str | bool) else value


def _runtime(value: object) -> object:
    return "off" if value is False else value


def _command(value: object) -> object:
    """A command, or the checks of one repository."""
    for one in value.values() if isinstance(value, dict) else [value]:
        if not isinstance(one, str) or not one.strip() or not _LINE.fullmatch(one):
            raise ValueError(
                f'found {shown(one)}; allowed: a command of one line, such as "pytest '
                '-q", or a mapping with the checks of one repository'
            )
    return value


Size = Annotated[int, BeforeValidator(_size)]
Command = Annotated[str | dict[str, str], BeforeValidator(_command)]


class SandboxShape(Shape):
    """What isolates a command, and what it may take."""

    # YAML reads `off` as false.
    runtime: Annotated[Text, BeforeValidator(_runtime), one_of("runtime", RUNTIMES)] = (
        RUNTIMES[0]
    )
    image: Text | None = None
    time: Timeout = 600.0
    memory: Size | None = None
    processes: Positive | None = None
    disk: Size | None = None
    temporary: Size | None = None


class InputsFile(Shape):
    """inputs.yaml as a whole."""

    request: Text
    repositories: list[Text] = Field(default_factory=list)
    images: list[Text] = Field(default_factory=list)
    values: dict[str, InputText] = Field(default_factory=dict)
    checks: dict[str, Command] = Field(default_factory=dict)
    sandbox: Annotated[SandboxShape, BeforeValidator(_sandbox)] = Field(
        default_factory=SandboxShape
    )
    share: list[Text] = Field(default_factory=list)
    setup: Text | None = None
    network: Annotated[Text, one_of("network", NETWORKS)] = "none"
