"""What of a crew of one's own calls a model past the guard, found when it starts."""

from collections.abc import Callable, Iterator
from typing import Any

from crewai import Crew
from crewai.events.event_bus import crewai_event_bus
from crewai.events.types.crew_events import CrewKickoffStartedEvent

from crew.calls.llm import TieredLLM
from crew.notices import PAST, Listener

_EMBEDDED = ("memory", "knowledge", "knowledge_sources")


def watch(run: str, listener: Listener) -> Callable[[], None]:
    """Report what goes past the guard in each crew that starts with an LLM of this
    run; the result ends it."""

    def started(source: Any, event: CrewKickoffStartedEvent) -> None:
        if isinstance(source, Crew) and _is_of(source, run):
            for found in dict.fromkeys(_past(source)):
                listener(f"{PAST}{found}")

    crewai_event_bus.on(CrewKickoffStartedEvent)(started)
    return lambda: crewai_event_bus.off(CrewKickoffStartedEvent, started)


def _is_of(crew: Crew, run: str) -> bool:
    llms = [crew.manager_llm, *(agent.llm for agent in crew.agents)]
    return any(isinstance(llm, TieredLLM) and llm.run == run for llm in llms)


def _past(crew: Crew) -> Iterator[str]:
    """Each thing that calls a model of no tier, and what to do."""
    if crew.planning and not isinstance(crew.planning_llm, TieredLLM):
        yield "the crew's planning has no LLM of a tier; set `planning_llm`"
    for owner in (crew, *crew.agents):
        name = (
            "the crew"
            if owner is crew
            else f"agent {str(getattr(owner, 'role', '')).strip()!r}"
        )
        for key in _EMBEDDED:
            if getattr(owner, key, None):
                kind = key.partition("_")[0]
                yield f"the {kind} of {name} makes embeddings, which no tier serves"
        for key in ("llm", "manager_llm", "function_calling_llm"):
            llm = getattr(owner, key, None)
            if llm is not None and not isinstance(llm, TieredLLM):
                model = getattr(llm, "model", llm)
                yield f"`{key}` of {name} is {model}, of no tier"
