"""The functions that scripts call: a run, a plain crew, tiers for agents of their own.

The import of CrewAI and litellm takes seconds, so the functions import what needs them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from crew.clock import SystemClock
from crew.errors import SettingsError
from crew.journal import new_run_id
from crew.notices import Listener
from crew.processes.imports import without_their_files
from crew.progress.progress import Events, Progress
from crew.settings import Inputs, Settings
from crew.settings.loader import load_settings, load_tiers
from crew.settings.placeholders import as_text, check_placeholders

if TYPE_CHECKING:
    from typing import Unpack

    from crewai import Crew

    from crew.runs.beside import Started, Work
    from crew.runs.ending import Outcome
    from crew.runs.tiers import Tiers


def kickoff(
    *,
    request: str = "",
    repositories: Sequence[str | Path] | None = None,
    images: Sequence[str | Path] = (),
    inputs: Mapping[str, object] | None = None,
    resume: str | None = None,
    config: str | Path | Settings | None = None,
    output: str | Path = "output",
    listener: Listener = lambda line: None,
    events: Events = lambda event: None,
) -> "Outcome":
    """Run the crew on a request, or take up the run `resume` again.

    Without `repositories` it works on the git repository of the working directory, if
    the texts of the YAML ask for one; `()` is for an empty workspace.
    `inputs` fills further placeholders of the YAML; a list is joined with commas.
    `listener` gets waits and swaps in one line each, `events` all that happens as
    values of `crew.progress.events`.

    Raises SettingsError, WorkspaceError, StoreUnavailable before anything starts,
    QuotaExceeded when every deployment is closed, and RunFailed;
    `output/<run>/run.json` is written in the last two cases too.
    """
    with without_their_files():
        from crew.calls.event_loop import in_a_loop
        from crew.runs.beside import wait_for

    work = _work(
        request=request,
        repositories=repositories,
        images=images,
        inputs=inputs,
        resume=resume,
        config=config,
        output=output,
        listener=listener,
        events=events,
    )
    return wait_for(work) if in_a_loop() else work(lambda underway: None)


async def kickoff_async(**arguments: "Unpack[KickoffArguments]") -> "Outcome":
    """As `kickoff`, for a notebook or a server: the event loop goes on meanwhile. Who
    cancels it interrupts the run, which can be resumed."""
    with without_their_files():
        from crew.runs.beside import awaited

    return await awaited(_work(**arguments))


class KickoffArguments(TypedDict, total=False):
    """What `kickoff` and `kickoff_async` take."""

    request: str
    repositories: Sequence[str | Path] | None
    images: Sequence[str | Path]
    inputs: Mapping[str, object] | None
    resume: str | None
    config: str | Path | Settings | None
    output: str | Path
    listener: Listener
    events: Events


def _work(**arguments: "Unpack[KickoffArguments]") -> "Work[Outcome]":
    """A run that is ready to begin. Raises SettingsError."""
    with without_their_files():
        from crew.runs.lifecycle import execute, resumed

    config = arguments.get("config")
    settings = config if isinstance(config, Settings) else load_settings(config)
    output = Path(arguments.get("output", "output"))
    listener = arguments.get("listener", lambda line: None)
    resume, given = arguments.get("resume"), _inputs(arguments)
    mistakes = check_placeholders(settings, given) if resume is None else []
    if mistakes:
        raise SettingsError(mistakes)

    run_id = resume or new_run_id(SystemClock())
    heard = (arguments["events"],) if "events" in arguments else ()
    progress = Progress(
        run_id, secrets=settings.secrets, notices=listener, listeners=heard
    )

    def work(started: "Started") -> "Outcome":
        watchers: dict[str, Any] = {"progress": progress, "started": started}
        if resume is not None:
            outcome = resumed(settings, resume, output=output, **watchers)
        else:
            outcome = execute(settings, given, run_id=run_id, output=output, **watchers)
        if outcome.error is not None:
            outcome.error.add_note(f"run {outcome.run_id}: kickoff(resume=...) goes on")
            raise outcome.error
        return outcome

    return work


def _inputs(arguments: KickoffArguments) -> Inputs:
    values = arguments.get("inputs") or {}
    repositories = arguments.get("repositories")
    return Inputs(
        request=arguments.get("request", ""),
        repositories=tuple(str(path) for path in repositories or ()),
        here=repositories is None,
        images=tuple(str(image) for image in arguments.get("images", ())),
        values={name: as_text(value) for name, value in values.items()},
    )


def build_crew(
    settings: Settings,
    *,
    output: str | Path = "output",
    listener: Listener | None = None,
) -> "Crew":
    """A plain `crewai.Crew` in a run of its own, with an empty workspace.

    Its tasks take the inputs `request`, `repositories` and `images`; what a kickoff
    does not give comes from inputs.yaml. What a task of
    CrewAI's has can be set on its tasks: `tools`, `output_pydantic`, `callback`,
    `guardrail`, beside the gates of the YAML. Without any key it rehearses, and warns
    of it unless a `listener` gets the notices.
    """
    with without_their_files():
        from crew.runs.fresh import fresh_crew
        from crew.runs.rehearsal import warned

    return fresh_crew(settings, Path(output), listener or warned)


def tiers(
    config: str | Path | Settings | None = None, *, listener: Listener | None = None
) -> "Tiers":
    """The tiers of providers.yaml and tiers.yaml, for the agents of a CrewAI project
    of one's own: `Agent(llm=tiers("config").llm("mid", role="coder"), ...)`.

    All calls are one run. It ends with `close`, with the `with` block, or with the
    process. Without any key it rehearses, and warns of it unless a `listener` gets
    the notices. Raises SettingsError.
    """
    with without_their_files():
        from crew.runs.rehearsal import warned
        from crew.runs.tiers import Tiers

    settings = config if isinstance(config, Settings) else load_tiers(config)
    return Tiers(settings, listener=listener or warned)
