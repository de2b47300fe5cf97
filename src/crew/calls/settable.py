"""What may be set on a crew, its agents and its tasks once they are built.

CrewAI reads some fields when it builds, and passes over what is set later; others
would call a model past the guard. Both are refused with what to do instead.
"""

from collections.abc import Mapping
from typing import Any

from crew.errors import CrewError

_PAST = "its calls would not pass the quota guard"
_TIER = "use the LLM of a tier: crew.tiers(...).llm(TIER, role=...)"
_LATE = "CrewAI reads it when a crew is built, and would pass over it now"

CREW: Mapping[str, str] = {
    "chat_llm": f"{_PAST}; {_TIER}",
    "config": _LATE,
    "embedder": f"{_PAST}; leave it out",
    "function_calling_llm": f"{_PAST}; leave it out",
    "knowledge": f"{_PAST}; give an agent a tool that looks things up",
    "knowledge_sources": f"{_PAST}; give an agent a tool that looks things up",
    "manager_llm": f"{_LATE}; set the `tier` of the manager in agents.yaml",
    "max_rpm": f"{_LATE}; write `limits` into tiers.yaml",
    "memory": f"{_PAST}; give an agent a tool that remembers",
    "output_log_file": f"{_LATE}; the run keeps its record in output/<run>/run.json",
    "planning": f"{_PAST}; write a task that plans",
    "planning_llm": f"{_PAST}; write a task that plans",
    "prompt_file": f"{_LATE}; set the templates of an agent in agents.yaml",
    "share_crew": "nothing of a run is sent to CrewAI",
    "skills": _LATE,
    "tracing": "nothing of a run is sent to CrewAI; see `crew report`",
}
AGENT: Mapping[str, str] = {
    "adapted_agent": _LATE,
    "apps": f"{_LATE}; append tools to `agent.tools`",
    "embedder": f"{_PAST}; leave it out",
    "from_repository": _LATE,
    "function_calling_llm": f"{_PAST}; leave it out",
    "guardrail": "checks belong to the task: set `task.guardrail`",
    "knowledge": f"{_PAST}; append a tool that looks things up to `agent.tools`",
    "knowledge_sources": f"{_PAST}; append a tool that looks things up",
    "llm": f"{_PAST}; {_TIER}",
    "max_rpm": f"{_LATE}; write `max_rpm` in agents.yaml",
    "memory": f"{_PAST}; append a tool that remembers to `agent.tools`",
    "planning": f"{_LATE}; write a task that plans",
    "planning_config": f"{_LATE}; write a task that plans",
}
TASK: Mapping[str, str] = {
    "config": _LATE,
    "response_model": "set `task.output_pydantic`",
}
_NOTHING: tuple[object, ...] = (None, False, [], {}, "")


def check(what: str, reasons: Mapping[str, str], name: str, value: Any) -> None:
    """Refuse a value that is set on something that is built. Raises CrewError."""
    reason = reasons.get(name)
    if reason is not None and not any(value is one or value == one for one in _NOTHING):
        raise CrewError(f"{what}.{name} cannot be set: {reason}")
