"""The shapes of the YAML files: which keys there are and what each may hold."""

import math
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    StringConstraints,
)

from crew.quota.limits import FORM, Limit, WindowKind, parse_limit
from crew.settings.document import shown, unknown
from crew.settings.values import COMPLEXITIES, GATES, KINDS, TOOLS

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def _duration(value: object) -> float:
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        return float(match[1]) * _SECONDS[match[2]]
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 <= value < math.inf
    ):
        return float(value)
    raise ValueError(
        f"found {shown(value)}; allowed: seconds as a number, or 30s, 5m, 2h"
    )


def _positive(seconds: float) -> float:
    if not 0 < seconds < math.inf:
        raise ValueError("must be more than 0 seconds")
    return seconds


def _limit(value: object) -> Limit:
    if not isinstance(value, str):
        raise ValueError(f"found {shown(value)}; allowed: {FORM}")
    limit = parse_limit(value)
    if limit.amount == 0:
        raise ValueError(
            f"{value!r} lets nothing through; "
            "leave the deployment out of its chains instead"
        )
    return limit


def _not_of_a_run(limit: Limit) -> Limit:
    if limit.kind is WindowKind.RUN:
        raise ValueError("a limit per run belongs under `budgets` or `quotas.run`")
    return limit


def _price(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"found {shown(value)}; allowed: US dollars as a number")
    if not 0 <= value < math.inf:
        raise ValueError(f"found {value}; allowed: 0 or more")
    return Decimal(str(value))


@dataclass(frozen=True, slots=True)
class Condition:
    """US dollars that lead to a plan: `spent` there, or `bought` as credit."""

    usd: Decimal
    how: str


_CONDITION = re.compile(r"(\d+(?:\.\d+)?) usd (spent|bought)")


def _condition(value: object) -> Condition:
    match = _CONDITION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(
            f"found {shown(value)}; allowed: AMOUNT usd spent, or AMOUNT usd bought"
        )
    return Condition(usd=Decimal(match[1]), how=match[2])


def _scoped(value: object) -> object:
    """The limits of a scope: of each of its members (under ""), or by name."""
    return value if isinstance(value, dict) else {"": _listed(value)}


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _address(value: str) -> str:
    try:
        parts = urlsplit(value)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # what it says quotes the address
        fits = False
    if not fits or len(value.split()) > 1:
        raise ValueError(
            "is no address; allowed: http://HOST[:PORT][/PATH] or https://..."
        )
    return value


def _plan_limits(value: object) -> object:
    """A plan's limits: of the whole provider (under ""), or by class."""
    return value if isinstance(value, dict) else {"": _listed(value)}


_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


def _header_name(name: str) -> str:
    if _HEADER_NAME.fullmatch(name) is None:
        raise ValueError("no name of an HTTP header: letters, digits and bars only")
    return name


def _header_value(value: str) -> str:
    if _HEADER_VALUE.fullmatch(value) is None:
        raise ValueError("does not fit into a header; allowed: one line of ASCII")
    return value


def _one_of(what: str, allowed: tuple[str, ...]) -> AfterValidator:
    def check(value: str) -> str:
        if value not in allowed:
            raise ValueError(unknown(what, value, allowed))
        return value

    return AfterValidator(check)


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Address = Annotated[Text, AfterValidator(_address)]
Duration = Annotated[float, BeforeValidator(_duration)]
Timeout = Annotated[Duration, AfterValidator(_positive)]
AnyLimit = Annotated[InstanceOf[Limit], BeforeValidator(_limit)]
AnyLimits = Annotated[list[AnyLimit], BeforeValidator(_listed)]
TimedLimit = Annotated[AnyLimit, AfterValidator(_not_of_a_run)]
Limits = Annotated[list[TimedLimit], BeforeValidator(_listed)]
PlanLimits = Annotated[dict[str, Limits], BeforeValidator(_plan_limits)]
ScopedLimits = Annotated[dict[str, AnyLimits], BeforeValidator(_scoped)]
Dollars = Annotated[InstanceOf[Decimal], BeforeValidator(_price)]
Kinds = Annotated[Text, _one_of("kind", KINDS)]
Complexity = Annotated[Text, _one_of("complexity", COMPLEXITIES)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[Text, AfterValidator(_header_value)]
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
    """One plan that an account at a provider may be on, and what leads to it."""

    limits: PlanLimits
    condition: Annotated[InstanceOf[Condition], BeforeValidator(_condition)] | None = (
        Field(default=None, alias="from")
    )


class ProviderShape(Shape):
    """One provider of providers.yaml."""

    api_key: str | None = None
    base_url: Address | None = None
    headers: dict[HeaderName, HeaderValue] = {}
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
    cached_input: Dollars | None = None
    cache_write: Dollars | None = None


class DeploymentShape(Shape):
    """One deployment of providers.yaml."""

    provider: Text
    model: Text
    base_url: Address | None = None
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
    limits: Limits = []


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
    quotas: dict[str, ScopedLimits] = {}
    max_wait: Duration = 300.0
    max_calls: Positive = 200
    deadline: Timeout | None = None
    store_failure: Annotated[Text, _one_of("policy", ("stop", "local"))] = "stop"


class InputsFile(Shape):
    """inputs.yaml as a whole."""

    request: Text
    repositories: list[Text] = []
    images: list[Text] = []
    values: dict[str, str] = {}
