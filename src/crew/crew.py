"""From settings to a plain `crewai.Crew`: agents on tiers, tasks, and the manager."""

import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from crewai import Agent, Crew, Process, Task
from crewai.events import event_context
from crewai.tasks.task_output import TaskOutput

from crew.calls.event_record import keep_no_events
from crew.calls.filled import FilledAgent, FilledCrew
from crew.calls.llm import TieredLLM
from crew.calls.run import Run
from crew.checks import Checks
from crew.errors import RunFailed
from crew.own import Own, gather
from crew.own.loading import reason
from crew.settings import Role, Settings, TaskSpec
from crew.tasks.climbing import accepted, guardrail
from crew.tasks.done import Done
from crew.tasks.following import FollowedTask, Following
from crew.tasks.watch import Watch
from crew.texts.stream import SharedSafety
from crew.tools import build_tools, works_on_files
from crew.workspace import Workspace
from crew.workspace.repository_words import repository_words

# Ours are closures and methods; CrewAI's checkpoints, which cannot hold them, stay off.
warnings.filterwarnings("ignore", "(function|method) callbacks cannot be serialized")

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
    own: Own | None = None,
    checks: Checks | None = None,
) -> Crew:
    """The crew of a run.

    `finished` maps the tasks that need not run again to their results, which are
    context for the others. `watch` gets each task that ends and its verdicts. `own` and
    `checks` are made where they are not given, which may raise SettingsError.
    """
    settings, finished = run.settings, finished or {}
    managed = settings.process == "hierarchical"
    following = Following(run=run, workspace=workspace)
    kit = _Kit(
        following=following,
        own=own or gather(settings),
        checks=replace(checks or _checks(run, workspace), ran=following.check),
        words=repository_words(workspace, settings.secrets.masked),
    )
    tasks = _tasks(kit, workers := _workers(kit), watch or Watch())
    for name in finished.keys() & tasks.keys():
        tasks[name].output = _kept(settings.tasks[name], finished[name])
    return FilledCrew(
        agents=list(workers.values()),
        tasks=[task for name, task in tasks.items() if name not in finished],
        process=Process.hierarchical if managed else Process.sequential,
        manager_agent=_manager(run, kit.own) if managed else None,
        # Each of these would call a model of CrewAI's own choice, past the guard.
        memory=False,
        planning=False,
        tracing=False,
        share_crew=False,
        before_kickoff_callbacks=[keep_no_events],
    ).shown_by(SharedSafety(settings.secrets))


def _kept(spec: TaskSpec, result: str) -> TaskOutput:
    """The result of a task that ended in an earlier part of the run."""
    return TaskOutput(
        name=spec.name,
        description=spec.description,
        raw=result,
        agent=spec.agent or "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kit:
    """What the agents and tasks of a run are made with. `words` are what the roles are
    given of the repositories' own texts."""

    following: Following
    own: Own
    checks: Checks
    words: str


def _checks(run: Run, workspace: Workspace) -> Checks:
    """The checks of a run; an interrupted run ends them."""
    return Checks.of(run.settings, workspace, stopped=lambda: run.failure is not None)


def _workers(kit: _Kit) -> dict[str, Agent]:
    """An agent for each role but the manager of a hierarchical process."""
    settings = kit.following.run.settings
    managed = settings.process == "hierarchical"
    return {
        name: _agent(kit, role)
        for name, role in settings.roles.items()
        if not (managed and name == settings.manager)
    }


def _tasks(kit: _Kit, workers: Mapping[str, Agent], watch: Watch) -> dict[str, Task]:
    """The tasks of a run, in order."""
    run, workspace = kit.following.run, kit.following.workspace
    tasks: dict[str, Task] = {}
    for spec in run.settings.tasks.values():
        if spec.when == "images" and not workspace.images:
            continue
        done = Done(
            run=run,
            spec=spec,
            workspace=workspace,
            watch=watch,
            own=kit.own.gates,
            checks=kit.checks,
        )
        tasks[spec.name] = _task(kit, done, tasks, workers)
    return tasks


def _agent(kit: _Kit, role: Role) -> Agent:
    run, following = kit.following.run, kit.following
    llm = TieredLLM.bound(run, role)
    options: dict[str, Any] = {"allow_delegation": False, **role.options}
    agent = FilledAgent(
        role=role.role,
        goal=role.goal,
        backstory=role.backstory,
        llm=llm,
        tools=[
            *build_tools(
                role.tools,
                following.workspace,
                llm,
                checks=kit.checks,
                commands=role.commands,
            ),
            *kit.own.tools.get(role.name, ()),
        ],
        **_known(options),
        **kit.own.agent_options.get(role.name, {}),
    ).prefaced(kit.words if works_on_files(role.tools) else "")
    following.tools(agent.tools or [], agent)
    return agent


def _manager(run: Run, own: Own) -> Agent:
    role = run.settings.roles[run.settings.manager]
    options: dict[str, Any] = {"max_iter": MANAGER_ITERATIONS, **role.options}
    options["allow_delegation"] = True
    return FilledAgent(
        role=role.role,
        goal=role.goal,
        backstory=role.backstory,
        llm=TieredLLM.bound(run, role),
        **_known(options),
        **own.agent_options.get(role.name, {}),
    )


def _known(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are the agent's; the others are its LLM's."""
    return {
        name: value for name, value in options.items() if name in Agent.model_fields
    }


def _task(
    kit: _Kit, done: Done, earlier: Mapping[str, Task], workers: Mapping[str, Agent]
) -> Task:
    spec = done.spec
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
    options.update(kit.own.outputs.get(spec.name, {}))
    # The attempts are ours.
    options["guardrails"] = [guardrail(done)]
    options["callback"] = _callback(done, kit.own)
    task = FollowedTask(
        name=spec.name,
        description=spec.description,
        expected_output=spec.expected_output,
        agent=workers[spec.agent] if spec.agent else None,
        context=context,
        **options,
    ).followed_by(kit.following)
    return task.decided_by(done)


def _callback(done: Done, own: Own) -> Callable[[TaskOutput], None]:
    """What CrewAI calls with a task's result: it is kept first, and then its user's."""
    spec, theirs = done.spec, own.callbacks.get(done.spec.name)

    def callback(output: TaskOutput) -> None:
        done.watch.done(spec, output, accepted())
        if theirs is None:
            return
        try:
            theirs(output)
        except Exception as exc:  # whatever the code of a user does
            raise RunFailed(
                f"{spec.own['callback']}, the callback of {spec.name}, failed: "
                f"{reason(exc)}"
            ) from exc

    return callback


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
