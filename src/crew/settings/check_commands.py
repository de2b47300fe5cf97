"""The checks of inputs.yaml become values, once their keys fit together."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from crew.errors import Mistake
from crew.sandbox.job import Bounds
from crew.settings.checks import CheckSettings
from crew.settings.document import Document
from crew.settings.environment import is_text
from crew.settings.names import flaw
from crew.settings.schema_inputs import InputsFile
from crew.settings.values import Settings


def check_settings(shape: InputsFile | None) -> CheckSettings:
    """What inputs.yaml says; without that file, nothing."""
    if shape is None:
        return CheckSettings()
    commands: dict[str, dict[str, str]] = {"": {}}
    for name, found in shape.checks.items():
        if isinstance(found, str):
            commands[""][name] = found
        else:
            commands[name] = dict(found)
    sandbox = shape.sandbox
    usual = Bounds()
    return CheckSettings(
        commands={name: checks for name, checks in commands.items() if checks},
        runtime=sandbox.runtime,
        image=sandbox.image,
        bounds=Bounds(
            seconds=sandbox.time,
            memory=sandbox.memory or usual.memory,
            processes=sandbox.processes or usual.processes,
            disk=sandbox.disk or usual.disk,
            temporary=sandbox.temporary or usual.temporary,
            file=max(usual.file, sandbox.disk or 0),
        ),
        share=tuple(shape.share),
        setup=shape.setup,
        setup_online=shape.network == "setup",
    )


def check_checks(document: Document, shape: InputsFile) -> None:
    """Note in inputs.yaml what does not fit together."""
    for name, found in shape.checks.items():
        _check_name(document, ("checks", name), name)
        for inner in () if isinstance(found, str) else found:
            _check_name(document, ("checks", name, inner), inner)
    sandbox = shape.sandbox
    contained = sandbox.runtime in ("docker", "podman")
    if contained and sandbox.image is None:
        message = f"missing; {sandbox.runtime} needs the image that holds the programs"
        document.reject(("sandbox", "image"), message)
    elif sandbox.image is not None and not contained:
        document.reject(("sandbox", "image"), "does nothing without `runtime: docker`")
    if shape.network == "setup" and shape.setup is None:
        document.reject(("network",), "does nothing without `setup`")
    for index, name in enumerate(shape.share):
        if wrong := _flaw_of_share(name):
            document.reject(("share", index), f"{name!r}: {wrong}")


def with_checks(
    settings: Settings, pairs: Sequence[str]
) -> tuple[Settings, list[Mistake]]:
    """The settings with the checks of the arguments, each `NAME=COMMAND`, for every
    repository, and what is wrong with those."""
    mistakes = []
    commands = dict(settings.checks.commands.get("", {}))
    for pair in pairs:
        name, _, command = pair.partition("=")
        if wrong := _flaw_of_pair(name, command):
            message = f"{pair!r}: {wrong}"
            mistakes.append(
                Mistake(file="arguments", line=None, key="--check", message=message)
            )
        commands[name] = command
    if not pairs:
        return settings, []
    every = {**settings.checks.commands, "": commands}
    return replace(settings, checks=replace(settings.checks, commands=every)), mistakes


def _flaw_of_pair(name: str, command: str) -> str | None:
    if not command.strip() or "\n" in command or "\0" in command:
        return "not of the form NAME=COMMAND, in one line"
    if not is_text(command):
        return "not UTF-8"
    return _flaw_of_name(name)


def _flaw_of_name(name: str) -> str | None:
    return "a name cannot begin with a hyphen" if name.startswith("-") else flaw(name)


def _check_name(document: Document, path: tuple[str, ...], name: str) -> None:
    wrong = _flaw_of_name(name)
    if wrong is not None:
        document.reject_key(path, wrong)


def _flaw_of_share(name: str) -> str | None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        return "a directory inside the repository, such as .venv"
    if any(part.casefold() == ".git" for part in path.parts):
        return ".git is never lent"
    return None
