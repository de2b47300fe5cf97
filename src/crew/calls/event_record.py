"""CrewAI's record of a run's events, without the events: each holds a conversation."""

from typing import Any

from crewai.events.event_bus import crewai_event_bus
from crewai.state.event_record import EventNode, EventRecord


class ForgetfulRecord(EventRecord):
    """Keeps nothing. CrewAI reads its record when it restores a checkpoint, which runs
    of ours have none of; it grows by every conversation at every call."""

    def add(self, event: Any) -> EventNode:
        return EventNode(event=event)


def keep_no_events(inputs: Any) -> Any:
    """A callback before a kickoff: its events are not kept. Other kickoffs have a state
    of their own."""
    state = crewai_event_bus.runtime_state
    if state is not None:
        state._event_record = ForgetfulRecord()
    return inputs
