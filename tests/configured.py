"""A directory of YAML files for the command line: three tasks in a row, each with a
role and a model of its own, served by a test's server."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from hangs import HANGS_AFTER

ROLES = {"architect": "thinker", "coder": "smith", "documenter": "scribe"}
TASKS = {"design": "architect", "code": "coder", "document": "documenter"}
KEY = "ONE_API_KEY"
SECRET = "sk-very-secret-0123456789"


def configure(
    directory: Path,
    url: str,
    *,
    limits: Sequence[str] = (),
    tiers: str = "max_wait: 0s",
    spare: bool = False,
) -> Path:
    """Write the files. `limits` are the provider's, `tiers` is added to tiers.yaml;
    with a `spare` each role has a second deployment."""
    directory.mkdir(exist_ok=True)
    models = [*ROLES.values(), "spare"]
    _write(
        directory / "providers.yaml",
        "providers:",
        f"  one: {{api_key: '${{{KEY}}}', base_url: '{url}',",
        f"    timeout: {HANGS_AFTER:g}s,",
        f"    limits: [{', '.join(limits)}]}}",
        "deployments:",
        *[
            f"  {name}: {{provider: one, model: openai/{name}, "
            "price: {input: 1, output: 2}, tools: true, context_window: 100_000}"
            for name in models
        ],
    )
    _write(
        directory / "tiers.yaml",
        "tiers:",
        *[
            f"  {role}: [{model}{', spare' if spare else ''}]"
            for role, model in ROLES.items()
        ],
        tiers,
    )
    _write(
        directory / "agents.yaml",
        *[
            f"{role}: {{role: {role}, goal: work, backstory: works, tier: {role}}}"
            for role in ROLES
        ],
    )
    _write(
        directory / "tasks.yaml",
        "process: sequential",
        *[
            f"{name}: {{description: '{name} of {{request}}', expected_output: text, "
            f"agent: {role}}}"
            for name, role in TASKS.items()
        ],
    )
    return directory


def with_ready_task(directory: Path, name: str) -> Path:
    """The project's own files, with the marks before one of its ready tasks taken
    away."""
    project = Path(__file__).parents[1]
    shutil.copytree(project / "config", directory, dirs_exist_ok=True)
    path = directory / "tasks.yaml"
    text = path.read_text(encoding="utf-8")
    block = re.compile(rf"^#{name}:\n(?:#  .*\n)+", re.MULTILINE)
    shown, count = block.subn(
        lambda found: re.sub(r"^#", "", found[0], flags=re.MULTILINE), text
    )
    assert count == 1
    path.write_text(shown, encoding="utf-8")
    return directory


def _write(path: Path, *lines: str) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
