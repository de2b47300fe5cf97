"""A CrewAI development crew that keeps working when limits hit.

Importing this package loads neither crewai nor litellm; `build_crew` and `kickoff` do.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from crew.errors import QuotaExceeded
from crew.guard import QuotaGuard
from crew.notices import Listener
from crew.processes.imports import without_their_files
from crew.settings import Inputs, Settings
from crew.settings.loader import load_settings

if TYPE_CHECKING:
    from crewai import Crew

    from crew.runs.ending import Outcome

# Before crewai and litellm are imported: nothing goes over the network by itself.
os.environ.setdefault("CREWAI_DISABLE_TELEMETRY", "true")
os.environ.setdefault("CREWAI_TRACING_ENABLED", "false")
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

__all__ = ["QuotaExceeded", "QuotaGuard", "build_crew", "kickoff", "load_settings"]


def kickoff(
    *,
    request: str = "",
    repositories: Sequence[str | Path] = (),
    images: Sequence[str | Path] = (),
    inputs: Mapping[str, str] | None = None,
    resume: str | None = None,
    config: str | Path | Settings | None = None,
    output: str | Path = "output",
    listener: Listener = lambda line: None,
) -> "Outcome":
    """Run the crew on a request, or take up the run `resume` again.

    `inputs` fills further placeholders of tasks.yaml; `listener` gets waits and
    swaps in one line each. Raises SettingsError, WorkspaceError, StoreUnavailable
    before anything starts, QuotaExceeded when every deployment is closed, and
    RunFailed; `output/<run>/run.json` is written in the last two cases too.
    """
    with without_their_files():
        from crew.runs.lifecycle import execute, resumed

    settings = config if isinstance(config, Settings) else load_settings(config)
    if resume is not None:
        outcome = resumed(settings, resume, output=Path(output), listener=listener)
    else:
        given = Inputs(
            request=request,
            repositories=tuple(str(path) for path in repositories),
            images=tuple(str(image) for image in images),
            values=dict(inputs or {}),
        )
        outcome = execute(settings, given, output=Path(output), listener=listener)
    if outcome.error is not None:
        outcome.error.add_note(f"run {outcome.run_id}: kickoff(resume=...) goes on")
        raise outcome.error
    return outcome


def build_crew(settings: Settings, *, output: str | Path = "output") -> "Crew":
    """A plain `crewai.Crew` in a run of its own, with an empty workspace.

    Its tasks take the inputs `request`, `repositories` and `images`.
    """
    with without_their_files():
        from crew.runs.lifecycle import fresh_crew

    return fresh_crew(settings, Path(output))
