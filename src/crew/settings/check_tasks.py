"""What must hold between roles and tasks, so that CrewAI can carry them out."""

from collections.abc import Mapping, Sequence

from crew.errors import Mistake
from crew.settings.cycles import cycles, shown_cycle
from crew.settings.document import Document
from crew.settings.files import Files, Shapes, expect
from crew.settings.placeholders import RULE, as_delegated_to, is_name
from crew.settings.schema import RoleShape, TaskShape
from crew.settings.values import PLACEHOLDERS, Settings

MANAGER = "manager"
_NEEDED: Mapping[str, str] = {
    "date_format": "inject_date",
    "max_reasoning_attempts": "reasoning",
    "system_template": "prompt_template",
    "prompt_template": "system_template",
    "response_template": "prompt_template",
}
"""Keys of a role that CrewAI passes over where the other one is not set."""


def check_roles_and_tasks(files: Files, shapes: Shapes) -> None:
    """Note in the files which roles, tasks and inputs do not fit together."""
    _check_roles(files, shapes)
    _check_tasks(files, shapes)
    if shapes.inputs is not None and files.inputs is not None:
        for name in shapes.inputs.values:
            if name in PLACEHOLDERS:
                files.inputs.reject(("values", name), "every run sets this one itself")
            elif not is_name(name):
                files.inputs.reject(("values", name), RULE)


def _check_roles(files: Files, shapes: Shapes) -> None:
    tiers = files.tiers.names("tiers")
    called: dict[str, str] = {}
    managed = shapes.process == "hierarchical"
    finder = "the manager delegates" if managed else "CrewAI finds a role"
    for name, role in shapes.roles.items():
        expect(files.agents, (name, "tier"), "tier", role.tier, tiers)
        first = called.setdefault(as_delegated_to(role.role), name)
        if first != name:
            files.agents.reject(
                (name, "role"),
                f"is also the role of {first!r}; {finder} by this text",
            )
        _check_commands(files.agents, name, role)
        for key, needed in _NEEDED.items():
            if getattr(role, key) is not None and not getattr(role, needed):
                files.agents.reject((name, key), f"does nothing without `{needed}`")
    names = files.agents.names()
    if names is not None and shapes.process == "hierarchical":
        _check_delegation(files.agents, names, shapes.roles)


def _check_commands(document: Document, name: str, role: RoleShape) -> None:
    runs = "run_command" in role.tools
    if runs and not role.commands:
        message = "run_command needs `commands: [...]`, the programs that it may run"
        document.reject((name, "tools"), message)
    elif role.commands and not runs:
        document.reject((name, "commands"), "does nothing without the tool run_command")


def _check_delegation(
    document: Document, names: Sequence[str], roles: Mapping[str, RoleShape]
) -> None:
    if MANAGER not in names:
        message = "missing; a hierarchical process needs this role to delegate"
        document.reject((MANAGER,), message)
    elif names == [MANAGER]:
        document.reject((MANAGER,), "has nobody to delegate to; add a role")
    for name, role in roles.items():
        delegates = role.allow_delegation
        if name != MANAGER and delegates:
            message = "only the manager delegates in a hierarchical process"
            document.reject((name, "allow_delegation"), f"{message}; leave it out")
        elif name == MANAGER and delegates is False:
            message = "the manager delegates, that is its work; leave it out"
            document.reject((name, "allow_delegation"), message)
        if name == MANAGER and role.tools:
            document.reject((name, "tools"), "the manager delegates, without tools")


def _check_tasks(files: Files, shapes: Shapes) -> None:
    document, tasks = files.tasks, shapes.tasks
    names = [name for name in document.names() or [] if name != "process"]
    if document.data is not None and not names:
        document.reject(("process",), "there is no task; add one")
    for name, task in tasks.items():
        _check_agent(files, shapes.process, name, task.agent)
        for index, earlier in enumerate(task.context or []):
            expect(document, (name, "context", index), "task", earlier, names)
        if task.guardrail_max_retries is not None and not task.gates:
            message = "does nothing without `gates`"
            document.reject((name, "guardrail_max_retries"), message)
    _check_order(document, names, tasks)
    complete = len(names) == len(tasks)
    if complete and names and all(task.when for task in tasks.values()):
        message = "a run without images would have no task; leave it out of one task"
        document.reject((names[0], "when"), message)
    if shapes.process == "hierarchical":
        _check_one_at_a_time(document, tasks)
    elif complete:
        without = {name: task for name, task in tasks.items() if not task.when}
        _check_asynchronous(document, tasks)
        _check_asynchronous(document, without, when="in a run without images, ")


def _check_agent(files: Files, process: str, task: str, agent: str | None) -> None:
    path = (task, "agent")
    managed = process == "hierarchical"
    if agent is None:
        if not managed:
            files.tasks.reject(path, "missing; a sequential process needs it")
    elif managed and agent == MANAGER:
        files.tasks.reject(path, "the manager delegates every task; name another")
    else:
        roles = files.agents.names()
        workers = [r for r in roles or [] if not (managed and r == MANAGER)]
        expect(files.tasks, path, "role", agent, roles and workers)


def _check_one_at_a_time(document: Document, tasks: Mapping[str, TaskShape]) -> None:
    """CrewAI would fail in the run, with "Executor is already running"."""
    for name, task in tasks.items():
        if task.async_execution:
            document.reject(
                (name, "async_execution"),
                "the one manager works on one task at a time; "
                "leave it out, or set `process: sequential`",
            )


def _check_order(
    document: Document, names: Sequence[str], tasks: Mapping[str, TaskShape]
) -> None:
    found = cycles({name: task.context or [] for name, task in tasks.items()})
    for cycle in found:
        document.reject(
            (cycle[0], "context"), f"goes in a circle: {shown_cycle(cycle)}"
        )
    for name, task in tasks.items():
        for index, other in enumerate(task.context or []):
            together = any(name in cycle and other in cycle for cycle in found)
            later = other in names and names.index(other) > names.index(name)
            if later and not together:
                document.reject(
                    (name, "context", index),
                    f"{other!r} is a later task; put it before {name!r}",
                )


def _check_asynchronous(
    document: Document, tasks: Mapping[str, TaskShape], *, when: str = ""
) -> None:
    """CrewAI's own rules; it would stop with a traceback. An agent, too, works on
    one task at a time."""
    running: list[str] = []  # asynchronous tasks that nothing waited for so far
    for name, task in tasks.items():
        if not task.async_execution:
            running = []
            continue
        for index, other in enumerate(task.context or []):
            if other in running:
                document.reject(
                    (name, "context", index),
                    f"{when}{other!r} runs at the same time; "
                    "put a task that waits between",
                )
        for other in running:
            if task.agent is not None and task.agent == tasks[other].agent:
                document.reject(
                    (name, "agent"),
                    f"{when}this role works on {other!r} at the same time; "
                    "name another, or put a task that waits between",
                )
        running.append(name)
    if len(running) > 1:
        document.reject(
            (running[-1], "async_execution"),
            f"{when}at most one asynchronous task may be at the end",
        )


def check_human_input(settings: Settings) -> list[Mistake]:
    """The tasks that ask a person, for a run without a terminal: CrewAI would find
    out after it has paid for the answer."""
    document = Document(settings.config_dir / "tasks.yaml", {})
    mistakes = []
    for task in settings.tasks.values():
        if task.options.get("human_input"):
            line, key, _ = document.at((task.name, "human_input"))
            message = "nobody can answer: standard input is no terminal; leave it out"
            mistakes.append(
                Mistake(file=document.file, line=line, key=key, message=message)
            )
    return mistakes
