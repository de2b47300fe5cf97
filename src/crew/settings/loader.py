"""The YAML files become Settings, or one error with everything that is wrong."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from crew.errors import SettingsError
from crew.settings.check_providers import (
    check_headers,
    check_prices,
    check_providers_and_tiers,
)
from crew.settings.check_tasks import (
    MANAGER,
    check_roles_and_tasks,
)
from crew.settings.document import SECRET, Document, unknown
from crew.settings.environment import (
    check_store,
    config_directory,
    login,
    read_environment,
)
from crew.settings.files import PROCESSES, Files, Shapes
from crew.settings.litellm_table import NOTHING_KNOWN, ModelFacts, lookup
from crew.settings.schema import (
    AgentOptions,
    DeploymentShape,
    InputsFile,
    ProvidersFile,
    ProviderShape,
    RoleShape,
    RuleShape,
    Shape,
    TaskOptions,
    TaskShape,
    TiersFile,
    TierShape,
)
from crew.settings.validation import options, read
from crew.settings.values import (
    Deployment,
    Inputs,
    Plan,
    Price,
    Provider,
    Role,
    Settings,
    TaskSpec,
    Tier,
)

ShapeT = TypeVar("ShapeT", bound=Shape)
ValueT = TypeVar("ValueT")


def load_settings(
    config_dir: str | Path | None = None, *, environ: Mapping[str, str] | None = None
) -> Settings:
    """Read the YAML files of a directory.

    The directory is `config_dir`, or CREW_CONFIG_DIR, or `config` here, or that of
    the project. `environ` is by default the environment, and below it `.env` of the
    working directory; an `environ` that is given is all there is.

    Raises SettingsError with every mistake of every file.
    """
    environ = read_environment() if environ is None else environ
    directory = config_directory(config_dir, environ)
    files = _read_files(directory, environ)
    shapes = _shapes(files)
    check_roles_and_tasks(files, shapes)
    check_providers_and_tiers(files, shapes)
    providers = {
        name: _provider(name, shape, files.providers)
        for name, shape in shapes.providers.items()
    }
    deployments = {
        name: _deployment(name, shape, providers[shape.provider])
        for name, shape in shapes.deployments.items()
        if shape.provider in providers
    }
    check_prices(files.providers, deployments, shapes.tiers_file)
    check_headers(files.providers, providers)
    mistakes = [mistake for file in files.all() for mistake in file.mistakes]
    mistakes += check_store(environ.get("CREW_STORE"))
    if mistakes or shapes.tiers_file is None:
        ordered = sorted(mistakes, key=lambda one: (one.file, one.line or 0))
        raise SettingsError(list(dict.fromkeys(ordered)))
    state = Path(environ.get("CREW_STATE_DIR") or ".crew")
    return Settings(
        config_dir=directory,
        state_dir=state,
        store_url=environ.get("CREW_STORE") or f"sqlite:///{state / 'quota.db'}",
        user=environ.get("CREW_USER") or login(),
        team=environ.get("CREW_TEAM") or "default",
        providers=providers,
        deployments=deployments,
        tiers={
            name: Tier(
                name=name,
                chain=expanded(shape.chain, shapes.tiers),
                then=shape.then,
                limits=tuple(shape.limits),
            )
            for name, shape in shapes.tiers.items()
        },
        routing={
            name: expanded(shape.chain, shapes.tiers)
            for name, shape in shapes.rules.items()
        },
        roles={name: _role(name, shape) for name, shape in shapes.roles.items()},
        tasks={name: _task(name, shape) for name, shape in shapes.tasks.items()},
        process=shapes.process,
        manager=MANAGER,
        budgets=tuple(shapes.tiers_file.budgets),
        quotas={
            f"{scope}:{member}" if member else scope: tuple(limits)
            for scope, members in shapes.tiers_file.quotas.items()
            for member, limits in members.items()
        },
        max_wait=shapes.tiers_file.max_wait,
        max_calls=shapes.tiers_file.max_calls,
        deadline=shapes.tiers_file.deadline,
        store_failure=shapes.tiers_file.store_failure,
        inputs=_inputs(shapes.inputs) if shapes.inputs is not None else None,
    )


def _read_files(directory: Path, environ: Mapping[str, str]) -> Files:
    inputs = directory / "inputs.yaml"
    return Files(
        agents=Document(directory / "agents.yaml", environ),
        tasks=Document(directory / "tasks.yaml", environ),
        providers=Document(directory / "providers.yaml", environ),
        tiers=Document(directory / "tiers.yaml", environ),
        inputs=Document(inputs, environ) if inputs.exists() else None,
    )


def _shapes(files: Files) -> Shapes:
    """Each entry of the files by itself, so that one mistake does not hide others."""
    tiers_file = inputs = None
    if files.providers.data is not None:
        read(files.providers, ProvidersFile)
    if files.tiers.data is not None:
        tiers_file = read(files.tiers, TiersFile)
    if files.inputs is not None and files.inputs.data is not None:
        inputs = read(files.inputs, InputsFile)
    return Shapes(
        roles=_entries(files.agents, RoleShape),
        process=_process(files.tasks),
        tasks=_entries(files.tasks, TaskShape, leaving_out="process"),
        providers=_entries(files.providers, ProviderShape, "providers"),
        deployments=_entries(files.providers, DeploymentShape, "deployments"),
        tiers=_entries(files.tiers, TierShape, "tiers"),
        rules=_entries(files.tiers, RuleShape, "routing"),
        tiers_file=tiers_file,
        inputs=inputs,
    )


def _entries(
    document: Document, shape: type[ShapeT], *section: str, leaving_out: str = ""
) -> dict[str, ShapeT]:
    entries = {}
    for name in document.names(*section) or []:
        if name != leaving_out:
            entry = read(document, shape, (*section, name))
            if entry is not None:
                entries[name] = entry
    return entries


def _process(tasks: Document) -> str:
    """What tasks.yaml says, or the default."""
    found = (tasks.data or {}).get("process", PROCESSES[0])
    if found in PROCESSES:
        return str(found)
    tasks.reject(("process",), unknown("process", str(found), PROCESSES))
    return PROCESSES[0]


def _provider(name: str, shape: ProviderShape, document: Document) -> Provider:
    plans = {one: _plan(one, shape) for one in shape.plans}
    held = plans.get(shape.plan or "") or _plan("", shape)
    variable = document.raw(("providers", name, SECRET)).strip()
    return Provider(
        name=name,
        api_key=shape.api_key,
        api_key_variable=variable.strip("${}") or None,
        base_url=shape.base_url,
        headers=shape.headers,
        local=shape.local,
        timeout=shape.timeout,
        limits=held.limits,
        classes=held.classes,
        plan=shape.plan if shape.plan in plans else None,
        plans=plans,
    )


def _plan(name: str, shape: ProviderShape) -> Plan:
    """A plan with the limits that hold whatever the plan; "" has only those."""
    plan = shape.plans.get(name)
    limits = plan.limits if plan else {}
    classes = [one for other in shape.plans.values() for one in other.limits if one]
    condition = plan.condition if plan else None
    return Plan(
        name=name,
        limits=(*shape.limits, *limits.get("", ())),
        classes={
            one: (*shape.classes.get(one, ()), *limits.get(one, ()))
            for one in dict.fromkeys([*classes, *shape.classes])
        },
        spent=condition.usd if condition and condition.how == "spent" else None,
        bought=condition.usd if condition and condition.how == "bought" else None,
    )


def _deployment(name: str, shape: DeploymentShape, provider: Provider) -> Deployment:
    """The deployment, with what the YAML leaves out as litellm's table knows it."""
    facts = NOTHING_KNOWN
    if not _is_complete(shape):
        facts = lookup(shape.model) or NOTHING_KNOWN
    return Deployment(
        name=name,
        provider=provider,
        model=shape.model,
        base_url=shape.base_url or provider.base_url,
        klass=shape.klass,
        price=_price(shape, facts),
        limits=tuple(shape.limits),
        context_window=_first(
            shape.context_window, facts.context_window, otherwise=128_000
        ),
        max_output=_first(shape.max_output, facts.max_output, otherwise=8_192),
        vision=_first(shape.vision, facts.vision, otherwise=False),
        tools=_first(shape.tools, facts.tools, otherwise=True),
        timeout=shape.timeout,
        checked=shape.checked,
    )


def _first(*given: ValueT | None, otherwise: ValueT) -> ValueT:
    """The first value that there is."""
    return next((value for value in given if value is not None), otherwise)


def _price(shape: DeploymentShape, facts: ModelFacts) -> Price | None:
    """What the YAML says. The table adds what a cached token costs, where its price of
    other input is the same: else it speaks of another offer."""
    known = Price(
        input=facts.input_price or Decimal(0),
        output=facts.output_price or Decimal(0),
        cached_input=facts.cached_input_price,
        cache_write=facts.cache_write_price,
    )
    given = shape.price
    if given is None:
        listed = facts.input_price is not None and facts.output_price is not None
        return known if listed else None
    same = given.input == known.input
    return Price(
        input=given.input,
        output=given.output,
        cached_input=_first(
            given.cached_input, known.cached_input if same else None, otherwise=None
        ),
        cache_write=_first(
            given.cache_write, known.cache_write if same else None, otherwise=None
        ),
    )


def _is_complete(shape: DeploymentShape) -> bool:
    """Whether the YAML leaves nothing to look up in the table."""
    price = shape.price
    priced = price is not None and (not price.input or price.cached_input is not None)
    given = (shape.context_window, shape.max_output, shape.vision, shape.tools)
    return priced and None not in given


def _role(name: str, shape: RoleShape) -> Role:
    return Role(
        name=name,
        role=shape.role,
        goal=shape.goal,
        backstory=shape.backstory,
        tier=shape.tier,
        kind=shape.kind,
        patience=shape.patience,
        tools=tuple(shape.tools),
        options=options(shape, AgentOptions),
    )


def _task(name: str, shape: TaskShape) -> TaskSpec:
    return TaskSpec(
        name=name,
        description=shape.description,
        expected_output=shape.expected_output,
        agent=shape.agent,
        context=None if shape.context is None else tuple(shape.context),
        complexity=shape.complexity,
        kind=shape.kind,
        gates=tuple(shape.gates),
        when=shape.when,
        options=options(shape, TaskOptions),
    )


def _inputs(shape: InputsFile) -> Inputs:
    return Inputs(
        request=shape.request,
        repositories=tuple(shape.repositories),
        images=tuple(shape.images),
        values=dict(shape.values),
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
