"""What the gates of tasks.yaml and the ladder of tiers.yaml name must be there."""

from dataclasses import replace
from pathlib import Path

from crew.settings.files import Files, Shapes, expect
from crew.settings.gates import GateSpec
from crew.texts.json_schema import flaw

_SCHEMA_BYTES = 1024 * 1024


def check_gates(files: Files, shapes: Shapes, directory: Path) -> None:
    """Note in the files which tiers, files and schemas are not there."""
    tiers = files.tiers.names("tiers")
    for name, task in shapes.tasks.items():
        seen: set[str] = set()
        for index, gate in enumerate(task.gates):
            path = (name, "gates", index)
            if str(gate) in seen:
                files.tasks.reject(path, f"{gate} is there twice")
            seen.add(str(gate))
            if gate.name == "judge":
                expect(files.tasks, path, "tier", gate.tier, tiers)
            elif gate.name == "json" and (problem := _problem(gate, directory)):
                files.tasks.reject(path, problem)
    premium = shapes.ladder.premium
    if premium is not None:
        expect(files.tiers, ("ladder", "premium"), "tier", premium, tiers)


def with_schema(gate: GateSpec, directory: Path) -> GateSpec:
    """The gate with the schema itself in place of the file that holds it."""
    if gate.name != "json" or gate.text.startswith("{"):
        return gate
    return replace(gate, text=(directory / gate.text).read_text(encoding="utf-8"))


def _problem(gate: GateSpec, directory: Path) -> str | None:
    if not gate.text.startswith("{"):
        path = directory / gate.text
        if not path.is_file():
            return f"there is no file {path}"
        if path.stat().st_size > _SCHEMA_BYTES:
            return f"{path} is larger than {_SCHEMA_BYTES} bytes"
    try:
        return flaw(with_schema(gate, directory).text)
    except (OSError, ValueError) as exc:
        return f"cannot be read: {exc}"
