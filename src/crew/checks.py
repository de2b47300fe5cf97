"""What must hold between the YAML files: every name exists, nothing goes in circles."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from crew.document import Document, KeyPath, unknown
from crew.quota.limits import Limit, Metric
from crew.schema import (
    DeploymentShape,
    InputsFile,
    ProviderShape,
    RoleShape,
    RuleShape,
    TaskShape,
    TiersFile,
    TierShape,
)
from crew.settings import COMPLEXITIES, KINDS, PLACEHOLDERS, Deployment

PROCESSES = ("hierarchical", "sequential")
SCOPES = ("user", "team", "role", "run")
MANAGER = "manager"
_NEEDED: Mapping[str, str] = {
    "date_format": "inject_date",
    "max_reasoning_attempts": "reasoning",
    "system_template": "prompt_template",
    "prompt_template": "system_template",
    "response_template": "prompt_template",
}
"""Keys of a role that CrewAI passes over where the other one is not set."""
PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_\-]*)\}")
"""What CrewAI replaces in a text."""

Graph = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The YAML files. There need not be an inputs.yaml."""

    agents: Document
    tasks: Document
    providers: Document
    tiers: Document
    inputs: Document | None

    def all(self) -> list[Document]:
        """Those that are there."""
        files = [self.agents, self.tasks, self.providers, self.tiers, self.inputs]
        return [document for document in files if document is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """What the files hold, without the entries that are wrong in themselves."""

    roles: Mapping[str, RoleShape] = field(default_factory=dict)
    process: str = PROCESSES[0]
    tasks: Mapping[str, TaskShape] = field(default_factory=dict)
    providers: Mapping[str, ProviderShape] = field(default_factory=dict)
    deployments: Mapping[str, DeploymentShape] = field(default_factory=dict)
    tiers: Mapping[str, TierShape] = field(default_factory=dict)
    rules: Mapping[str, RuleShape] = field(default_factory=dict)
    tiers_file: TiersFile | None = None
    inputs: InputsFile | None = None


def check(files: Files, shapes: Shapes) -> None:
    """Note in the files everything that does not fit together."""
    _check_roles(files, shapes)
    _check_tasks(files, shapes)
    _check_providers(files.providers, shapes.providers)
    _check_deployments(files.providers, shapes)
    _check_tiers(files, shapes)
    if shapes.inputs is not None and files.inputs is not None:
        for name in sorted(shapes.inputs.values.keys() & set(PLACEHOLDERS)):
            files.inputs.reject(("values", name), "every run sets this one itself")


def _expect(
    document: Document, path: KeyPath, what: str, name: str, known: list[str] | None
) -> None:
    """Note a name that is not among the known; None: they could not be read."""
    if known is not None and name not in known:
        document.reject(path, unknown(what, name, known))


def _check_roles(files: Files, shapes: Shapes) -> None:
    tiers = files.tiers.names("tiers")
    called: dict[str, str] = {}
    for name, role in shapes.roles.items():
        _expect(files.agents, (name, "tier"), "tier", role.tier, tiers)
        first = called.setdefault(_as_delegated_to(role.role), name)
        if first != name:
            files.agents.reject(
                (name, "role"),
                f"is also the role of {first!r}; the manager delegates by this text",
            )
        if PLACEHOLDER.search(role.role):
            files.agents.reject(
                (name, "role"), "no placeholders here; the manager delegates by it"
            )
        for key, needed in _NEEDED.items():
            if getattr(role, key) is not None and not getattr(role, needed):
                files.agents.reject((name, key), f"does nothing without `{needed}`")
    names = files.agents.names()
    if names is not None and shapes.process == "hierarchical":
        _check_delegation(files.agents, names, shapes.roles)


def _as_delegated_to(role: str) -> str:
    """The text of a role as CrewAI compares it when a manager names a coworker."""
    return " ".join(role.split()).replace('"', "").casefold()


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
            _expect(document, (name, "context", index), "task", earlier, names)
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
        _expect(files.tasks, path, "role", agent, roles and workers)


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
    circles = _circles({name: task.context or [] for name, task in tasks.items()})
    for circle in circles:
        document.reject(
            (circle[0], "context"), f"goes in a circle: {_drawn(circle, circle[0])}"
        )
    for name, task in tasks.items():
        for index, other in enumerate(task.context or []):
            together = any(name in circle and other in circle for circle in circles)
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


def _check_providers(
    document: Document, providers: Mapping[str, ProviderShape]
) -> None:
    for name, provider in providers.items():
        path = ("providers", name)
        plans = document.names(*path, "plans") or []
        if provider.plan is not None:
            _expect(document, (*path, "plan"), "plan", provider.plan, plans)
        elif plans:
            document.reject(
                (*path, "plan"),
                f"missing; say which plan the account is on; allowed: "
                f"{', '.join(plans)}",
            )
        if provider.local and provider.base_url is None:
            document.reject((*path, "base_url"), "missing; a local provider needs it")
        keyed = "api_key" in (document.names(*path) or [])
        if not provider.local and not keyed:
            document.reject(
                (*path, "api_key"), "missing; write ${NAME}, or `local: true`"
            )


def _check_deployments(document: Document, shapes: Shapes) -> None:
    known = document.names("providers")
    for name, deployment in shapes.deployments.items():
        path = ("deployments", name)
        _expect(document, (*path, "provider"), "provider", deployment.provider, known)
        if deployment.klass is not None and deployment.provider in shapes.providers:
            classes = _classes(document, deployment.provider)
            _expect(document, (*path, "class"), "class", deployment.klass, classes)


def _classes(document: Document, provider: str) -> list[str]:
    """The classes of deployments that a provider or any of its plans names."""
    path = ("providers", provider)
    names = document.names(*path, "classes") or []
    for plan in document.names(*path, "plans") or []:
        names += document.names(*path, "plans", plan, "limits") or []
    return list(dict.fromkeys(names))


def _check_tiers(files: Files, shapes: Shapes) -> None:
    document = files.tiers
    tiers = document.names("tiers")
    deployments = files.providers.names("deployments")
    for name in tiers or []:
        if name in (deployments or []):
            document.reject(("tiers", name), "a deployment has this name, too")
    known = None if deployments is None else [*deployments, *(tiers or [])]
    chains: list[tuple[KeyPath, list[str]]] = [
        *(
            (("tiers", name, "chain"), tier.chain)
            for name, tier in shapes.tiers.items()
        ),
        *(
            (("routing", name, "chain"), rule.chain)
            for name, rule in shapes.rules.items()
        ),
    ]
    for path, chain in chains:
        for index, entry in enumerate(chain):
            _expect(document, (*path, index), "deployment or tier", entry, known)
    for name, tier in shapes.tiers.items():
        if tier.then is not None:
            _expect(document, ("tiers", name, "then"), "tier", tier.then, tiers)
    _check_circles(document, shapes.tiers)
    for name in document.names("routing") or []:
        _check_rule(document, name)
    for scope in document.names("quotas") or []:
        _expect(document, ("quotas", scope), "scope", scope, list(SCOPES))
    _check_runs(document, shapes.tiers_file)


def _check_circles(document: Document, tiers: Mapping[str, TierShape]) -> None:
    thens = {name: [tier.then] if tier.then else [] for name, tier in tiers.items()}
    named = {name: tier.chain for name, tier in tiers.items()}
    for key, graph in (("then", thens), ("chain", named)):
        for circle in _circles(graph):
            drawn = _drawn(circle, circle[0])
            document.reject(("tiers", circle[0], key), f"goes in a circle: {drawn}")


def _check_rule(document: Document, name: str) -> None:
    kind, dot, complexity = name.partition(".")
    if kind not in KINDS:
        document.reject(("routing", name), unknown("kind", kind, KINDS))
    elif dot and complexity not in COMPLEXITIES:
        document.reject(
            ("routing", name), unknown("complexity", complexity, COMPLEXITIES)
        )


def _check_runs(document: Document, file: TiersFile | None) -> None:
    for scope, members in (file.quotas if file else {}).items():
        for member, limits in members.items():
            path = ("quotas", scope, member) if member else ("quotas", scope)
            for index, limit in enumerate(limits):
                if limit.unit == "run" and scope != "run":
                    document.reject(
                        (*path, index),
                        "a limit per run belongs under `budgets` or `quotas.run`",
                    )


def check_prices(
    document: Document,
    deployments: Mapping[str, Deployment],
    tiers_file: TiersFile | None,
) -> None:
    """Note each deployment that a limit in dollars cannot count."""
    everywhere: list[Limit] = []
    if tiers_file is not None:
        everywhere += tiers_file.budgets
        everywhere += [
            limit
            for members in tiers_file.quotas.values()
            for limits in members.values()
            for limit in limits
        ]
    for name, deployment in deployments.items():
        provider = deployment.provider
        shared = provider.classes.get(deployment.klass or "", ())
        limits = [*everywhere, *provider.limits, *shared, *deployment.limits]
        counted = any(limit.metric is Metric.USD for limit in limits)
        if counted and deployment.price is None:
            document.reject(
                ("deployments", name, "price"),
                "price unknown: set `price: {input, output}`; a limit counts usd",
            )


def expanded(chain: Iterable[str], tiers: Mapping[str, TierShape]) -> tuple[str, ...]:
    """A chain with its tiers written out, each deployment once, at its first place."""

    def walk(names: Iterable[str]) -> Iterator[str]:
        for name in names:
            if name in tiers:
                yield from walk(tiers[name].chain)
            else:
                yield name

    return tuple(dict.fromkeys(walk(chain)))


def _circles(graph: Graph) -> list[list[str]]:
    """The circles of a graph, each once, from its first name on."""
    circles: dict[frozenset[str], list[str]] = {}
    done: set[str] = set()

    def walk(name: str, trail: list[str]) -> None:
        if name in trail:
            circle = trail[trail.index(name) :]
            circles.setdefault(frozenset(circle), circle)
        elif name in graph and name not in done:
            for following in graph[name]:
                walk(following, [*trail, name])
            done.add(name)

    for name in graph:
        walk(name, [])
    return list(circles.values())


def _drawn(circle: Sequence[str], first: str) -> str:
    return " -> ".join([*circle, first])
