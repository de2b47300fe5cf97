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
        first = called.setdefault(role.role.casefold(), name)
        if first != name:
            files.agents.reject(
                (name, "role"),
                f"is also the role of {first!r}; the manager delegates by this text",
            )
        if PLACEHOLDER.search(role.role):
            files.agents.reject(
                (name, "role"), "no placeholders here; the manager delegates by it"
            )
    names = files.agents.names()
    if names is None or shapes.process != "hierarchical":
        return
    if MANAGER not in names:
        files.agents.reject(
            (MANAGER,), "missing; a hierarchical process needs this role to delegate"
        )
    elif names == [MANAGER]:
        files.agents.reject((MANAGER,), "has nobody to delegate to; add a role")
    manager = shapes.roles.get(MANAGER)
    if manager is not None and manager.tools:
        files.agents.reject((MANAGER, "tools"), "the manager delegates, without tools")


def _check_tasks(files: Files, shapes: Shapes) -> None:
    names = [name for name in files.tasks.names() or [] if name != "process"]
    if files.tasks.data is not None and not names:
        files.tasks.reject(("process",), "there is no task; add one")
    roles = files.agents.names()
    managed = shapes.process == "hierarchical"
    for name, task in shapes.tasks.items():
        path = (name, "agent")
        if task.agent is None:
            if not managed:
                files.tasks.reject(path, "missing; a sequential process needs it")
        elif managed and task.agent == MANAGER:
            files.tasks.reject(path, "the manager delegates every task; name another")
        else:
            workers = [r for r in roles or [] if not (managed and r == MANAGER)]
            _expect(files.tasks, path, "role", task.agent, roles and workers)
        for index, earlier in enumerate(task.context or []):
            _expect(files.tasks, (name, "context", index), "task", earlier, names)
    _check_order(files.tasks, names, shapes.tasks)
    complete = len(names) == len(shapes.tasks)
    if complete and names and all(task.when for task in shapes.tasks.values()):
        message = "a run without images would have no task; leave it out of one task"
        files.tasks.reject((names[0], "when"), message)
    if complete:
        _check_asynchronous(files.tasks, shapes.tasks)


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


def _check_asynchronous(document: Document, tasks: Mapping[str, TaskShape]) -> None:
    """CrewAI's own rules; it would stop with a traceback."""
    running: list[str] = []  # asynchronous tasks that nothing waited for so far
    for name, task in tasks.items():
        if not task.async_execution:
            running = []
            continue
        for index, other in enumerate(task.context or []):
            if other in running:
                document.reject(
                    (name, "context", index),
                    f"{other!r} runs at the same time; put a task that waits between",
                )
        running.append(name)
    if len(running) > 1:
        document.reject(
            (running[-1], "async_execution"),
            "at most one asynchronous task may be at the end",
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
    for scope, limits in (file.quotas if file else {}).items():
        for index, limit in enumerate(limits):
            if limit.unit == "run" and scope != "run":
                document.reject(
                    ("quotas", scope, index),
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
        everywhere += [limit for some in tiers_file.quotas.values() for limit in some]
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
