"""The shapes of the YAML files: which keys there are and what each may hold."""

import math
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    StringConstraints,
    ValidationError,
)
from pydantic_core import ErrorDetails

from crew.document import Document, KeyPath, unknown
from crew.quota.limits import FORM, Kind, Limit, parse_limit
from crew.settings import COMPLEXITIES, GATES, KINDS, TOOLS

SHORT = 16
"""Characters of a text that a message may quote where no text is expected."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def _duration(value: object) -> float:
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        return float(match[1]) * _SECONDS[match[2]]
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    raise ValueError(
        f"found {_shown(value)}; allowed: seconds as a number, or 30s, 5m, 2h"
    )


def _positive(seconds: float) -> float:
    if not 0 < seconds < math.inf:
        raise ValueError("must be more than 0 seconds")
    return seconds


def _limit(value: object) -> Limit:
    if not isinstance(value, str):
        raise ValueError(f"found {_shown(value)}; allowed: {FORM}")
    return parse_limit(value)


def _not_of_a_run(limit: Limit) -> Limit:
    if limit.kind is Kind.RUN:
        raise ValueError("a limit per run belongs under `budgets` or `quotas.run`")
    return limit


def _price(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"found {_shown(value)}; allowed: US dollars as a number")
    if not 0 <= value < math.inf:
        raise ValueError(f"found {value}; allowed: 0 or more")
    return Decimal(str(value))


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _plan_limits(value: object) -> object:
    """A plan's limits: of the whole provider (under ""), or by class."""
    return value if isinstance(value, dict) else {"": _listed(value)}


def _one_of(what: str, allowed: tuple[str, ...]) -> AfterValidator:
    def check(value: str) -> str:
        if value not in allowed:
            raise ValueError(unknown(what, value, allowed))
        return value

    return AfterValidator(check)


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Duration = Annotated[float, BeforeValidator(_duration)]
Timeout = Annotated[Duration, AfterValidator(_positive)]
AnyLimit = Annotated[InstanceOf[Limit], BeforeValidator(_limit)]
AnyLimits = Annotated[list[AnyLimit], BeforeValidator(_listed)]
TimedLimit = Annotated[AnyLimit, AfterValidator(_not_of_a_run)]
Limits = Annotated[list[TimedLimit], BeforeValidator(_listed)]
PlanLimits = Annotated[dict[str, Limits], BeforeValidator(_plan_limits)]
Dollars = Annotated[InstanceOf[Decimal], BeforeValidator(_price)]
Kinds = Annotated[Text, _one_of("kind", KINDS)]
Complexity = Annotated[Text, _one_of("complexity", COMPLEXITIES)]
Chain = Annotated[list[Text], Field(min_length=1)]
Positive = Annotated[int, Field(ge=1)]


class Shape(BaseModel):
    """A mapping whose keys are all known."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class AgentOptions(Shape):
    """Keys of agents.yaml that go on as they are, to `crewai.Agent` or to its LLM."""

    max_iter: Positive | None = None
    max_execution_time: Positive | None = None
    max_rpm: Positive | None = None
    max_retry_limit: Annotated[int, Field(ge=0)] | None = None
    verbose: bool | None = None
    allow_delegation: bool | None = None
    cache: bool | None = None
    respect_context_window: bool | None = None
    use_system_prompt: bool | None = None
    inject_date: bool | None = None
    date_format: Text | None = None
    reasoning: bool | None = None
    max_reasoning_attempts: Positive | None = None
    system_template: Text | None = None
    prompt_template: Text | None = None
    response_template: Text | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    max_tokens: Positive | None = None
    seed: int | None = None


class RoleShape(AgentOptions):
    """One role of agents.yaml."""

    role: Text
    goal: Text
    backstory: Text
    tier: Text
    kind: Kinds | None = None
    patience: Duration = 0.0
    tools: list[Annotated[Text, _one_of("tool", TOOLS)]] = []


class TaskOptions(Shape):
    """Keys of tasks.yaml that go on to `crewai.Task` as they are."""

    async_execution: bool | None = None
    human_input: bool | None = None
    markdown: bool | None = None
    guardrail_max_retries: Annotated[int, Field(ge=0)] | None = None


class TaskShape(TaskOptions):
    """One task of tasks.yaml."""

    description: Text
    expected_output: Text
    agent: Text | None = None
    context: list[Text] | None = None
    complexity: Complexity = "medium"
    kind: Kinds | None = None
    gates: list[Annotated[Text, _one_of("gate", GATES)]] = []
    when: Annotated[Text, _one_of("condition", ("images",))] | None = None


class PlanShape(Shape):
    """One plan that an account at a provider may be on."""

    limits: PlanLimits
    source: Text | None = Field(default=None, alias="from")


class ProviderShape(Shape):
    """One provider of providers.yaml."""

    api_key: str | None = None
    base_url: Text | None = None
    local: bool = False
    timeout: Timeout = 120.0
    limits: Limits = []
    classes: dict[str, Limits] = {}
    plan: Text | None = None
    plans: dict[str, PlanShape] = {}


class PriceShape(Shape):
    """US dollars for a million tokens."""

    input: Dollars
    output: Dollars


class DeploymentShape(Shape):
    """One deployment of providers.yaml."""

    provider: Text
    model: Text
    base_url: Text | None = None
    klass: Text | None = Field(default=None, alias="class")
    price: PriceShape | None = None
    limits: Limits = []
    context_window: Positive | None = None
    max_output: Positive | None = None
    vision: bool | None = None
    tools: bool | None = None
    timeout: Timeout | None = None
    checked: date | None = None


class TierShape(Shape):
    """One tier of tiers.yaml; a bare list is its chain."""

    chain: Chain
    then: Text | None = None


class RuleShape(Shape):
    """One routing rule of tiers.yaml."""

    chain: Chain


class ProvidersFile(Shape):
    """providers.yaml as a whole."""

    providers: Annotated[dict[str, object], Field(min_length=1)]
    deployments: Annotated[dict[str, object], Field(min_length=1)]


class TiersFile(Shape):
    """tiers.yaml as a whole."""

    tiers: Annotated[dict[str, object], Field(min_length=1)]
    routing: dict[str, object] = {}
    budgets: AnyLimits = []
    quotas: dict[str, AnyLimits] = {}
    max_wait: Duration = 300.0
    max_calls: Positive = 200


class InputsFile(Shape):
    """inputs.yaml as a whole."""

    request: Text
    repositories: list[Text] = []
    images: list[Text] = []
    values: dict[str, str] = {}


_UNGUARDED = "an LLM named here would not pass the quota guard; use `tier:`"
_MEMORY = "it would call models of CrewAI's own choice, past the quota guard"
_PLANNING = "it would plan past the manager; give a task to a role instead"
_EXECUTION = "CrewAI has no safe place to run code"
_REFUSED: Mapping[type[Shape], Mapping[str, str]] = {
    RoleShape: {
        "llm": _UNGUARDED,
        "manager_llm": _UNGUARDED,
        "function_calling_llm": _UNGUARDED,
        "planning_llm": _UNGUARDED,
        "memory": _MEMORY,
        "embedder": _MEMORY,
        "knowledge": _MEMORY,
        "knowledge_sources": _MEMORY,
        "planning": _PLANNING,
        "planning_config": _PLANNING,
        "allow_code_execution": _EXECUTION,
        "code_execution_mode": _EXECUTION,
        "multimodal": "give the role the tool look_at_image instead",
    },
    TaskShape: {
        "output_file": "results go to output/<run>/",
        "create_directory": "results go to output/<run>/",
        "guardrail": "use `gates:`",
        "guardrails": "use `gates:`",
        "tools": "tools belong to the role, in agents.yaml",
    },
}

ShapeT = TypeVar("ShapeT", bound=Shape)


def read(document: Document, shape: type[ShapeT], path: KeyPath = ()) -> ShapeT | None:
    """The value at `path` as a `shape`. The document holds a mistake for each thing
    that is wrong, and what is returned then lacks it; None when nothing can be read.
    """
    value: object = document.data
    for part in path:
        value = value[str(part)] if isinstance(value, dict) else None
    if shape in (TierShape, RuleShape) and not isinstance(value, dict):
        value = {"chain": value}
    if not isinstance(value, dict):
        document.reject(path, f"found {_shown(value)}, expected a mapping")
        return None
    try:
        return shape.model_validate(value)
    except ValidationError as exc:
        errors = exc.errors(include_url=False)
    wrong = set()
    for error in errors:
        at = (*path, *error["loc"])
        if error["type"] == "extra_forbidden":
            document.reject_key(at, _unknown_key(error["loc"], shape))
        else:
            document.reject(at, _explained(error))
        wrong.add(str(error["loc"][0]))
    for key in wrong:
        document.doubt((*path, key))
    return _without(wrong, value, shape)


_STAND_INS: Mapping[str, object] = {
    "chain": ["?"],
    "tiers": {"?": None},
    "providers": {"?": None},
    "deployments": {"?": None},
}


def _without(
    wrong: set[str], value: Mapping[str, object], shape: type[ShapeT]
) -> ShapeT | None:
    """The shape without its wrong keys, so that what is right is checked further."""
    right = {key: found for key, found in value.items() if key not in wrong}
    for name, field in shape.model_fields.items():
        if field.is_required() and name not in right:
            right[name] = _STAND_INS.get(name, "?")
    try:
        return shape.model_validate(right)
    except ValidationError:
        return None


def options(shape: Shape, of: type[Shape]) -> dict[str, object]:
    """The values of the keys of `of` that are given."""
    return {
        name: value
        for name in of.model_fields
        if (value := getattr(shape, name)) is not None
    }


_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "date_type": "a date such as 2026-11-23",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
}


def _explained(error: ErrorDetails) -> str:
    """Our own words for what pydantic found."""
    kind, found = error["type"], error["input"]
    context = error.get("ctx", {})
    if kind == "missing":
        return "missing; it is required"
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_too_short":
        return "is empty, expected a text"
    if kind == "too_short":
        return "is empty; name at least one"
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"found {found}; allowed: {words} {context[bound]}"
    expected = _EXPECTED.get(kind)
    return f"found {_shown(found)}, expected {expected or error['msg']}"


def _unknown_key(path: KeyPath, shape: type[Shape]) -> str:
    key = str(path[-1])
    reason = _REFUSED.get(shape, {}).get(key)
    if reason is not None:
        return f"not allowed: {reason}"
    for part in path[:-1]:
        field = next(
            (f for n, f in shape.model_fields.items() if part in (n, f.alias)), None
        )
        if field is not None:
            shape = next(iter(_shapes(field.annotation)), shape)
    required_first = sorted(
        shape.model_fields.items(), key=lambda item: not item[1].is_required()
    )
    names = [field.alias or name for name, field in required_first]
    return unknown("key", key, names)


def _shapes(annotation: object) -> list[type[Shape]]:
    """The shapes that a field's type mentions."""
    if isinstance(annotation, type) and issubclass(annotation, Shape):
        return [annotation]
    return [shape for part in get_args(annotation) for shape in _shapes(part)]


def _shown(value: object) -> str:
    """What was found, in words. A longer text is not quoted: it may be a key."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case str():
            return repr(value) if len(value) <= SHORT else "a text"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return f"a {type(value).__name__}"
