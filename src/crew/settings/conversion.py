"""The shapes of the YAML files become values; names are resolved on the way."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TypeVar

from crew.settings.document import SECRET, Document
from crew.settings.inputs import Inputs
from crew.settings.litellm_table import NOTHING_KNOWN, ModelFacts, lookup
from crew.settings.own import CALLBACKS, OUTPUTS
from crew.settings.own_entries import named, ours, own
from crew.settings.patterns import pattern
from crew.settings.schema import (
    AgentOptions,
    DeploymentShape,
    ProviderShape,
    RoleShape,
    TaskOptions,
    TaskShape,
    TierShape,
)
from crew.settings.schema_inputs import InputsFile
from crew.settings.validation import options
from crew.settings.values import (
    IN_YAML,
    MEDIUM,
    OPEN,
    Deployment,
    Plan,
    Price,
    Provider,
    Role,
    TaskSpec,
    Tier,
)

ValueT = TypeVar("ValueT")


def provider(name: str, shape: ProviderShape, document: Document) -> Provider:
    """A provider; its key is that of the environment."""
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


def deployment(name: str, shape: DeploymentShape, provider: Provider) -> Deployment:
    """The deployment, with what the YAML leaves out as litellm's table knows it."""
    facts = NOTHING_KNOWN
    if not _is_complete(shape):
        facts = lookup(shape.model) or NOTHING_KNOWN
    window = _first(
        shape.context_window, _window_sent(shape), facts.context_window, otherwise=None
    )
    return Deployment(
        name=name,
        provider=provider,
        model=shape.model,
        base_url=shape.base_url or provider.base_url,
        klass=shape.klass,
        price=_price(shape, facts),
        limits=tuple(shape.limits),
        context_window=_first(window, otherwise=128_000),
        window_assumed=window is None,
        max_output=_first(shape.max_output, facts.max_output, otherwise=8_192),
        vision=_first(shape.vision, facts.vision, otherwise=False),
        tools=_first(shape.tools, facts.tools, otherwise=True),
        timeout=shape.timeout,
        parameters=shape.parameters,
        checked=shape.checked,
        prompt=shape.prompt,
    )


def _window_sent(shape: DeploymentShape) -> int | None:
    """The window that Ollama is asked to give the model."""
    found = shape.parameters.get("num_ctx")
    return found if isinstance(found, int) and found > 0 else None


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


def role(name: str, shape: RoleShape) -> Role:
    """A role; what is CrewAI's goes into its options."""
    return Role(
        name=name,
        role=shape.role,
        goal=shape.goal,
        backstory=shape.backstory,
        tier=shape.tier,
        kind=shape.kind,
        patience=shape.patience,
        tools=ours(shape.tools),
        own_tools=own(shape.tools),
        own=named(shape, CALLBACKS),
        commands=tuple(shape.commands),
        pattern=pattern(shape.pattern),
        options=options(shape, AgentOptions),
    )


def task(name: str, shape: TaskShape) -> TaskSpec:
    """A task; what is CrewAI's goes into its options."""
    return TaskSpec(
        name=name,
        description=shape.description,
        expected_output=shape.expected_output,
        agent=shape.agent,
        context=None if shape.context is None else tuple(shape.context),
        complexity=shape.complexity or MEDIUM,
        complexity_reason=IN_YAML if shape.complexity else OPEN,
        kind=shape.kind,
        gates=tuple(shape.gates),
        when=shape.when,
        changed=shape.changed,
        own=named(shape, (*CALLBACKS, *OUTPUTS)),
        options=options(shape, TaskOptions),
    )


def inputs(shape: InputsFile) -> Inputs:
    """What a run without arguments works on."""
    return Inputs(
        request=shape.request,
        repositories=tuple(shape.repositories),
        here="repositories" not in shape.model_fields_set,
        images=tuple(shape.images),
        values=dict(shape.values),
    )


def tier(name: str, shape: TierShape, tiers: Mapping[str, TierShape]) -> Tier:
    """A tier with its whole chain."""
    return Tier(
        name=name,
        chain=expanded(shape.chain, tiers),
        then=shape.then,
        limits=tuple(shape.limits),
    )


def expanded(chain: Iterable[str], tiers: Mapping[str, TierShape]) -> tuple[str, ...]:
    """A chain with its tiers written out, each deployment once, at its first place."""

    found: dict[str, None] = {}
    entered: set[str] = set()  # a tier that comes again has nothing new
    left = list(chain)[::-1]
    while left:
        name = left.pop()
        if name not in tiers:
            found.setdefault(name)
        elif name not in entered:
            entered.add(name)
            left.extend(reversed(tiers[name].chain))
    return tuple(found)
