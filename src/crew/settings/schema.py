"""The shapes of the YAML files: which keys there are and what each may hold."""

from datetime import date
from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    InstanceOf,
    Tag,
)

from crew.settings.budgets import ACTIONS
from crew.settings.fields import (
    Address,
    AnyLimit,
    Chain,
    Complexity,
    Condition,
    Dollars,
    Duration,
    FreeQuota,
    HeaderName,
    HeaderValue,
    Kept,
    Kinds,
    Limits,
    Parameter,
    PlanLimits,
    Positive,
    Program,
    ScopedLimits,
    Share,
    Strategy,
    StyleName,
    Text,
    Timeout,
    listed,
    listed_budgets,
    one_of,
    plan_condition,
)
from crew.settings.gates import GateSpec, gate
from crew.settings.own import (
    DottedPath,
    ToolName,
    ToolWithArguments,
    Variable,
    Word,
    form,
)
from crew.settings.strategies import FIRST_COME, PRIORITY


class Shape(BaseModel):
    """A mapping whose keys are all known."""

    # Deferred: each command would build the schemas of all files that it never reads.
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, defer_build=True
    )


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


class ServerShape(Shape):
    """An MCP server."""

    command: Annotated[list[Text], Field(min_length=1)] | None = None
    url: Address | None = None
    env: dict[Variable, str] = {}
    headers: dict[HeaderName, HeaderValue] = {}
    tools: Annotated[list[Text], Field(min_length=1)] | None = None
    prefix: Word | None = None


class ServerEntry(Shape):
    """The tools of a server, among a role's tools."""

    mcp: ServerShape


ToolEntry = Annotated[
    Annotated[ServerEntry, Tag("server")]
    | Annotated[ToolName, Tag("name")]
    | Annotated[ToolWithArguments, Tag("")],
    Discriminator(form),
]
"""The tag "" is passed over where a mistake is placed."""


PartChain = Annotated[Chain, BeforeValidator(listed)]


class PatternShape(Shape):
    """The parts that make a call of a role together."""

    planner: PartChain | None = None
    caller: PartChain | None = None
    summarizer: PartChain | None = None
    architect: PartChain | None = None
    editor: PartChain | None = None


class RoleShape(AgentOptions):
    """One role of agents.yaml."""

    role: Text
    goal: Text
    backstory: Text
    tier: Text
    kind: Kinds | None = None
    patience: Duration = 0.0
    tools: list[ToolEntry] = []
    step_callback: DottedPath | None = None
    commands: list[Program] = []
    pattern: PatternShape | None = None


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
    complexity: Complexity | None = None
    kind: Kinds | None = None
    gates: list[Annotated[InstanceOf[GateSpec], BeforeValidator(gate)]] = []
    callback: DottedPath | None = None
    output_pydantic: DottedPath | None = None
    output_json: DottedPath | None = None
    when: Annotated[Text, one_of("condition", ("images",))] | None = None
    changed: bool = True


class PlanShape(Shape):
    """One plan that an account at a provider may be on, and what leads to it."""

    limits: PlanLimits
    condition: (
        Annotated[InstanceOf[Condition], BeforeValidator(plan_condition)] | None
    ) = Field(default=None, alias="from")


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
    parameters: dict[str, Parameter] = {}
    checked: date | None = None
    prompt: StyleName | None = None


class TierShape(Shape):
    """One tier of tiers.yaml; a bare list is its chain."""

    chain: Chain
    then: Text | None = None
    limits: Limits = []
    strategy: Strategy | None = None
    reserve: Kept | None = None


class RuleShape(Shape):
    """One routing rule of tiers.yaml."""

    chain: Chain
    strategy: Strategy | None = None


class ProvidersFile(Shape):
    """providers.yaml as a whole."""

    providers: Annotated[dict[str, object], Field(min_length=1)]
    deployments: Annotated[dict[str, object], Field(min_length=1)]
    prompts: dict[Text, StyleName] = {}


class BudgetShape(Shape):
    """One budget of tiers.yaml; a bare text is its limit."""

    limit: AnyLimit
    role: Text | None = None
    user: Text | None = None
    team: Text | None = None
    tier: Text | None = None
    provider: Text | None = None
    warn: Share | None = None
    then: Annotated[Text, one_of("action", ACTIONS)] | None = None


Budgets = Annotated[list[BudgetShape], BeforeValidator(listed_budgets)]


class TiersFile(Shape):
    """tiers.yaml as a whole."""

    tiers: Annotated[dict[str, object], Field(min_length=1)]
    routing: dict[str, object] = {}
    strategy: Strategy = PRIORITY
    free_quota: FreeQuota = FIRST_COME
    budgets: Budgets = []
    quotas: dict[str, ScopedLimits] = {}
    max_wait: Duration = 300.0
    max_calls: Positive = 200
    deadline: Timeout | None = None
    ladder: dict[str, object] = {}
    alerts: dict[str, object] = {}
    regression: object = {}
    journal: dict[str, object] = {}
    store_failure: Annotated[Text, one_of("policy", ("stop", "local"))] = "stop"
