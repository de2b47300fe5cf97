"""From settings to a plain `crewai.Crew`: agents on tiers, tasks, and the manager."""

import logging
import warnings
from collections.abc import Mapping
from typing import Any

from crewai import Agent, Crew, Process, Task
from crewai.events import event_context
from crewai.tasks.task_output import TaskOutput

from crew.calls.event_record import keep_no_events
from crew.calls.filled import FilledAgent, FilledCrew
from crew.calls.llm import TieredLLM
from crew.calls.run import Run
from crew.checks import Checks
from crew.settings import Role, Settings, TaskSpec
from crew.tasks.done import Done, Watch
from crew.tasks.following import FollowedTask, Following
from crew.tools import build_tools, works_on_files
from crew.workspace import Workspace
from crew.workspace.repository_words import repository_words

# Ours is a closure; CrewAI's checkpoints, which cannot hold it, stay off.
warnings.filterwarnings("ignore", "function callbacks cannot be serialized")

MANAGER_ITERATIONS = 8
"""A manager delegates a few times and then answers; CrewAI would allow 25 turns."""


def quiet() -> None:
    """Keep off the terminal what CrewAI prints for the developers of CrewAI. For a
    command line: what ends a run is in its outcome, and reported once."""
    logging.getLogger("crewai").setLevel(logging.CRITICAL)
    silent = event_context.MismatchBehavior.SILENT
    event_context._default_config.mismatch_behavior = silent
    event_context._default_config.empty_pop_behavior = silent


def assemble(
    run: Run,
    workspace: Workspace,
    *,
    finished: Mapping[str, str] | None = None,
    watch: Watch | None = None,
    checks: Checks | None = None,
) -> Crew:
    """The crew of a run.

    `finished` maps the tasks that need not run again to their results, which are
    context for the others. `watch` gets each task that ends and its verdicts. `checks`
    are those of the run, where somebody has them already.
    """
    settings, finished = run.settings, finished or {}
    following = Following(run=run, workspace=workspace)
    managed = settings.process == "hierarchical"
    workers = _workers(following, checks or _checks(run, workspace))
    tasks: dict[str, Task] = {}
    for spec in settings.tasks.values():
        if spec.when == "images" and not workspace.images:
            continue
        tasks[spec.name] = _task(spec, watch or Watch(), tasks, workers, following)
        if spec.name in finished:
            tasks[spec.name].output = _kept(spec, finished[spec.name])
    return FilledCrew(
        agents=list(workers.values()),
        tasks=[task for name, task in tasks.items() if name not in finished],
        process=Process.hierarchical if managed else Process.sequential,
        manager_agent=_manager(run) if managed else None,
        # Each of these would call a model of CrewAI's own choice, past the guard.
        memory=False,
        planning=False,
        tracing=False,
        share_crew=False,
        before_kickoff_callbacks=[keep_no_events],
    )


def _kept(spec: TaskSpec, result: str) -> TaskOutput:
    """The result of a task that ended in an earlier part of the run."""
    return TaskOutput(
        name=spec.name,
        description=spec.description,
        raw=result,
        agent=spec.agent or "",
    )


def _workers(following: Following, checks: Checks) -> dict[str, Agent]:
    """An agent for each role but the manager of a hierarchical process."""
    run = following.run
    settings = run.settings
    words = repository_words(following.workspace, settings.secrets.masked)
    return {
        name: _agent(run, role, following, words, checks)
        for name, role in settings.roles.items()
        if settings.process != "hierarchical" or name != settings.manager
    }


def _checks(run: Run, workspace: Workspace) -> Checks:
    """The checks of a run; an interrupted run ends them."""
    return Checks.of(run.settings, workspace, stopped=lambda: run.failure is not None)


def _agent(
    run: Run, role: Role, following: Following, words: str, checks: Checks
) -> Agent:
    llm = TieredLLM.bound(run, role)
    options: dict[str, Any] = {"allow_delegation": False, **role.options}
    agent = FilledAgent(
        role=role.role,
        goal=role.goal,
        backstory=role.backstory,
        llm=llm,
        tools=build_tools(
            role.tools,
            following.workspace,
            llm,
            checks=checks,
            commands=role.commands,
        ),
        **_known(options),
    ).prefaced(words if works_on_files(role.tools) else "")
    following.tools(agent.tools or [], agent)
    return agent


def _manager(run: Run) -> Agent:
    role = run.settings.roles[run.settings.manager]
    options: dict[str, Any] = {"max_iter": MANAGER_ITERATIONS, **role.options}
    options["allow_delegation"] = True
    return FilledAgent(
        role=role.role,
        goal=role.goal,
        backstory=role.backstory,
        llm=TieredLLM.bound(run, role),
        **_known(options),
    )


def _known(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are the agent's; the others are its LLM's."""
    return {
        name: value for name, value in options.items() if name in Agent.model_fields
    }


def _task(
    spec: TaskSpec,
    watch: Watch,
    earlier: Mapping[str, Task],
    workers: Mapping[str, Agent],
    following: Following,
) -> Task:
    settings, workspace = following.run.settings, following.workspace
    done = Done(spec=spec, settings=settings, workspace=workspace, watch=watch)
    asynchronous = bool(spec.options.get("async_execution"))
    if spec.context is None:
        # CrewAI's own default, written out: a resumed run has to be given it.
        context = [
            task
            for task in earlier.values()
            if not (asynchronous and task.async_execution)
        ]
    else:
        context = [earlier[name] for name in spec.context if name in earlier]
    options: dict[str, Any] = dict(spec.options)
    if gates := done.guardrails():
        options["guardrails"] = gates
        options["guardrail_max_retries"] = done.retries
    options["callback"] = lambda output: done.watch.done(spec, output)
    task = FollowedTask(
        name=spec.name,
        description=spec.description,
        expected_output=spec.expected_output,
        agent=workers[spec.agent] if spec.agent else None,
        context=context,
        **options,
    ).followed_by(following)
    return task.in_workspace(done.workspace)


def placeholders(
    settings: Settings, workspace: Workspace, request: str
) -> dict[str, str]:
    """What the task descriptions' placeholders stand for."""
    repositories = ", ".join(workspace.names) or "none; the workspace is empty"
    return {
        "request": request,
        "repositories": repositories,
        "images": ", ".join(workspace.images) or "none",
    }
