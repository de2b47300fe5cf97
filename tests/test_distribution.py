"""What the wheel brings along, and what stays with this project."""

import importlib
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def _read(path: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / path).read_text("utf-8"))


def test_the_wheel_puts_one_script_on_the_path() -> None:
    assert _read("pyproject.toml")["project"]["scripts"] == {"crew": "crew.cli:main"}


def test_the_scripts_of_crewais_command_line_belong_to_this_project_alone() -> None:
    scripts = _read("scripts/pyproject.toml")["project"]

    assert set(scripts["scripts"]) == {
        "run_crew",
        "run_with_trigger",
        "train",
        "replay",
        "test",
    }
    for target in scripts["scripts"].values():
        module, _, function = target.partition(":")
        assert callable(getattr(importlib.import_module(module), function))
    project = _read("pyproject.toml")
    assert project["dependency-groups"]["crewai"] == [scripts["name"]]
    assert "crewai" in project["tool"]["uv"]["default-groups"]


def test_the_wheel_carries_the_default_yaml() -> None:
    wheel = _read("pyproject.toml")["tool"]["hatch"]["build"]["targets"]["wheel"]

    assert wheel["force-include"] == {"config": "crew/defaults"}
    assert {path.name for path in (ROOT / "config").iterdir()} == {
        "agents.yaml",
        "experiments.yaml",
        "inputs.yaml",
        "providers.yaml",
        "tasks.yaml",
        "tiers.yaml",
    }
