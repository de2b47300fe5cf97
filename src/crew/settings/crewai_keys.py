"""CrewAI's keys that our YAML does not take: for each, why, and what to do instead."""

from collections.abc import Mapping

_LLM = "an LLM named here would not pass the quota guard; use `tier:`"
_MEMORY = (
    "it needs embeddings, and the quota guard serves none: they would go past it to a "
    "model of CrewAI's own choice; give a task what it needs by `context`, by files in "
    "the repository, or by a tool of your own: `tools: [my_tools.recall]`"
)
_KNOWLEDGE = (
    "it needs embeddings, and the quota guard serves none: they would go past it to a "
    "model of CrewAI's own choice; put the files into a repository of the run and give "
    "the role `read_file`, or write a tool of your own: `tools: [my_tools.look_up]`"
)
_PLANNING = "it would plan past the manager; give a task to a role instead"
_EXECUTION = "CrewAI has no safe place to run code; leave it out"
_SERVERS = "write each server among the tools: `tools: [mcp: {command: [...]}]`"
_APPS = (
    "the run would send your data to CrewAI's platform; write a tool of your own: "
    "`tools: [my_tools.search]`"
)
_SKILLS = (
    "it may load instructions from a registry; write them into `backstory`, or into "
    "a file that the role reads with `read_file`"
)
_A2A = (
    "the other side's model calls would not pass the quota guard; write the other "
    "agent as a role, and give it a task"
)
_CHECKPOINT = (
    "it writes keys and answers to disk in clear; a run keeps its finished tasks by "
    "itself: crew run --resume RUN"
)
_SECURITY = "it only labels CrewAI's telemetry, which is off; leave it out"
_FAILING_TOOLS = (
    "a tool that fails reports that to the model, which may try again; leave it out"
)
_INTERNAL = "CrewAI fills this in itself; leave it out"
_INLINE = "the keys stand in this file directly; leave `config` out"

_CALLBACK = (
    "write `callback: FILE.NAME` at each task, and `step_callback: FILE.NAME` at each "
    "role; in Python, set it on the crew of build_crew(...)"
)
_AROUND = (
    "in Python, append it to that of the crew of build_crew(...), or read run.json "
    "after the run"
)
_STRUCTURED = (
    "write `output_pydantic: FILE.CLASS`; in Python, set `task.{key}` on the task of "
    "build_crew(...)"
)
_GUARDRAIL = (
    "write it as a gate: `gates: [my_gates.check]`; in Python, set `task.{key}` on the "
    "task of build_crew(...)"
)
_OUTPUT_FILE = (
    "results go to output/<run>/<task>.md; to have a file in the repository, give "
    "the role the tool write_file and name the file in the description"
)


def _internal(*keys: str) -> dict[str, str]:
    return dict.fromkeys(keys, _INTERNAL)


AGENT_KEYS: Mapping[str, str] = {
    **_internal(
        "entity_type",
        "id",
        "agent_executor",
        "i18n",
        "crew",
        "cache_handler",
        "tools_handler",
        "tools_results",
        "adapted_agent",
        "execution_context",
        "checkpoint_kickoff_event_id",
        "agent_knowledge_context",
        "crew_knowledge_context",
        "knowledge_search_query",
    ),
    "a2a": _A2A,
    "allow_code_execution": _EXECUTION,
    "apps": _APPS,
    "callbacks": "write `step_callback: FILE.NAME`",
    "checkpoint": _CHECKPOINT,
    "code_execution_mode": _EXECUTION,
    "config": _INLINE,
    "embedder": _MEMORY,
    "executor_class": (
        "another executor may call models past the quota guard; leave it out"
    ),
    "from_repository": (
        "it would load the role from CrewAI's platform; write role, goal and "
        "backstory here"
    ),
    "function_calling_llm": _LLM,
    "guardrail": "checks belong to the task: use `gates:` in tasks.yaml",
    "guardrail_max_retries": "it belongs to the task, in tasks.yaml, with `gates:`",
    "knowledge": _KNOWLEDGE,
    "knowledge_config": _KNOWLEDGE,
    "knowledge_sources": _KNOWLEDGE,
    "knowledge_storage": _KNOWLEDGE,
    "llm": _LLM,
    "manager_llm": _LLM,
    "mcps": _SERVERS,
    "memory": _MEMORY,
    "multimodal": "give the role the tool look_at_image instead",
    "planning": _PLANNING,
    "planning_config": _PLANNING,
    "planning_llm": _LLM,
    "security_config": _SECURITY,
    "skills": _SKILLS,
    "tool_failure_policy": _FAILING_TOOLS,
    "use_better_compaction": (
        "it is always on; `respect_context_window: false` turns summaries off"
    ),
}
"""Of `crewai.Agent`, and of the roles in older versions."""

TASK_KEYS: Mapping[str, str] = {
    **_internal(
        "used_tools",
        "tools_errors",
        "delegations",
        "prompt_context",
        "output",
        "id",
        "processed_by_agents",
        "retry_count",
        "start_time",
        "end_time",
        "checkpoint_original_description",
        "checkpoint_original_expected_output",
    ),
    "allow_crewai_trigger_context": (
        "a trigger's payload is the request; write {request} into the description"
    ),
    "condition": (
        "`when: images` is the one condition here; in Python, leave the task out of "
        "the tasks of build_crew(...)"
    ),
    "config": _INLINE,
    "converter_cls": _STRUCTURED.format(key="converter_cls"),
    "create_directory": _OUTPUT_FILE,
    "guardrail": _GUARDRAIL.format(key="guardrail"),
    "guardrails": _GUARDRAIL.format(key="guardrails"),
    "input_files": (
        "files belong to the run: --repo PATH and --image PATH, or `repositories` "
        "and `images` of inputs.yaml"
    ),
    "max_retries": "CrewAI gave it up for `guardrail_max_retries`; use that",
    "name": "the key of the task is its name; leave it out",
    "output_file": _OUTPUT_FILE,
    "response_model": _STRUCTURED.format(key="response_model"),
    "security_config": _SECURITY,
    "tool_failure_policy": _FAILING_TOOLS,
    "tools": "tools belong to the role, in agents.yaml",
}
"""Of `crewai.Task` and `ConditionalTask`."""

CREW_KEYS: Mapping[str, str] = {
    **_internal(
        "entity_type",
        "id",
        "usage_metrics",
        "task_execution_output_json_files",
        "execution_logs",
        "token_usage",
        "execution_context",
        "checkpoint_inputs",
        "checkpoint_train",
        "checkpoint_kickoff_event_id",
    ),
    "after_kickoff_callbacks": _AROUND,
    "agents": "each entry of agents.yaml is an agent; write them there",
    "before_kickoff_callbacks": _AROUND,
    "cache": "it belongs to each role, in agents.yaml",
    "chat_llm": "`crewai chat` would talk past the quota guard; use crew run",
    "checkpoint": _CHECKPOINT,
    "config": _INLINE,
    "embedder": _MEMORY,
    "function_calling_llm": _LLM,
    "knowledge": _KNOWLEDGE,
    "knowledge_sources": _KNOWLEDGE,
    "manager_agent": "write a role named `manager` into agents.yaml",
    "manager_llm": "write `tier:` at the role `manager` of agents.yaml",
    "max_rpm": "write `limits:` into providers.yaml or tiers.yaml",
    "memory": _MEMORY,
    "name": "a crew needs no name here; leave it out",
    "output_log_file": "the run keeps its record in output/<run>/run.json",
    "planning": _PLANNING,
    "planning_llm": _PLANNING,
    "prompt_file": (
        "write system_template, prompt_template and response_template at a role"
    ),
    "security_config": _SECURITY,
    "share_crew": "nothing of a run is sent to CrewAI; leave it out",
    "skills": _SKILLS,
    "step_callback": _CALLBACK,
    "stream": "in Python, set `crew.stream = True` on build_crew(...)",
    "task_callback": _CALLBACK,
    "tasks": "each entry of tasks.yaml is a task; write them there",
    "tool_failure_policy": _FAILING_TOOLS,
    "tracing": "nothing of a run is sent to CrewAI; `crew report` shows it",
    "trained_agents_file": (
        "set CREWAI_TRAINED_AGENTS_FILE to the file that `crewai train` wrote"
    ),
    "verbose": "it belongs to each role, in agents.yaml",
}
"""Of `crewai.Crew`. They count where a file would have a role or a task."""
