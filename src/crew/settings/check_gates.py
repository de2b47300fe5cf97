"""What the gates of tasks.yaml and the ladder of tiers.yaml name must be there."""

from dataclasses import replace
from pathlib import Path

from crew.settings.files import Files, Shapes, expect
from crew.settings.gates import GateSpec
from crew.settings.values import TaskSpec
from crew.texts.json_schema import flaw

_SCHEMA_BYTES = 1024 * 1024


def check_gates(files: Files, shapes: Shapes, directory: Path) -> None:
    """Note in the files which tiers, files and schemas are not there."""
    tiers, checks = files.tiers.names("tiers"), _checks(shapes)
    for name, task in shapes.tasks.items():
        seen: set[str] = set()
        for index, gate in enumerate(task.gates):
            path = (name, "gates", index)
            if str(gate) in seen:
                files.tasks.reject(path, f"{gate} is there twice")
            seen.add(str(gate))
            if gate.name in ("check", "review") and checks is not None:
                expect(files.tasks, path, "check", gate.names[0], checks)
            if gate.name in ("judge", "review"):
                expect(files.tasks, path, "tier", gate.tier, tiers)
            elif gate.name == "json" and (problem := _problem(gate, directory)):
                files.tasks.reject(path, problem)
    premium = shapes.ladder.premium
    if premium is not None:
        expect(files.tiers, ("ladder", "premium"), "tier", premium, tiers)


def with_schemas(task: TaskSpec, directory: Path) -> TaskSpec:
    """The task with each schema itself in place of the file that holds it."""
    gates = tuple(_with_schema(gate, directory) for gate in task.gates)
    return replace(task, gates=gates)


def _with_schema(gate: GateSpec, directory: Path) -> GateSpec:
    if gate.name != "json" or gate.text.startswith("{"):
        return gate
    return replace(gate, text=(directory / gate.text).read_text(encoding="utf-8"))


def _checks(shapes: Shapes) -> list[str] | None:
    """The checks that inputs.yaml names; a repository may have its own."""
    if shapes.inputs is None:
        return None
    found: dict[str, None] = {}
    for name, one in shapes.inputs.checks.items():
        found.update(dict.fromkeys([name] if isinstance(one, str) else one))
    return list(found) or None


def _problem(gate: GateSpec, directory: Path) -> str | None:
    if not gate.text.startswith("{"):
        path = directory / gate.text
        if not path.is_file():
            return f"there is no file {path}"
        if path.stat().st_size > _SCHEMA_BYTES:
            return f"{path} is larger than {_SCHEMA_BYTES} bytes"
    try:
        return flaw(_with_schema(gate, directory).text)
    except (OSError, ValueError) as exc:
        return f"cannot be read: {exc}"
