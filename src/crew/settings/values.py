"""The settings as values: what `loader` makes of the YAML files.

Everything here is frozen and complete: names are resolved, defaults are filled in,
and every name that is used exists.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

from crew.quota.limits import Limit
from crew.settings.alerts import AlertSettings
from crew.settings.budgets import Budget
from crew.settings.checks import CheckSettings
from crew.settings.experiments import ExperimentSpec
from crew.settings.gates import GateSpec
from crew.settings.inputs import Inputs
from crew.settings.ladder import LadderSpec
from crew.settings.own_values import OwnTool, Server
from crew.settings.patterns import Pattern
from crew.settings.regression import RegressionSpec
from crew.settings.strategies import FIRST_COME, PRIORITY, Reserve
from crew.settings.styles import BUILT_IN, Style
from crew.texts.masking import Secrets

KINDS = (
    "coding",
    "documentation",
    "vision",
    "reasoning",
    "orchestration",
    "design",
    "review",
    "testing",
    "general",
)
"""The kinds of work that roles and tasks may have and routing rules may name."""

COMPLEXITIES = LOW, MEDIUM, HIGH = ("low", "medium", "high")
IN_YAML, OPEN = "tasks.yaml", "by the request"
"""Where the complexity of a task comes from: it is given, or not known yet."""
TOOLS = (
    "list_files", "repo_map", "read_file", "search_files", "edit_file",
    "write_file", "look_at_image", "run_checks", "run_command",
)  # fmt: skip
PLACEHOLDERS = ("request", "repositories", "images")
"""What every run puts into the texts of agents.yaml and tasks.yaml, as `{request}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars for one million tokens.

    `cached_input` is for input tokens that the provider reads from its cache, and
    `cache_write` for those that it writes there; None: as other input.
    """

    input: Decimal
    output: Decimal
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None

    def __str__(self) -> str:
        """As in the YAML, input and output."""
        return f"{self.input.normalize():f}/{self.output.normalize():f} usd"

    def cost(
        self,
        input_tokens: int,
        output_tokens: int,
        *,
        cached_tokens: int = 0,
        cache_write_tokens: int = 0,
    ) -> Decimal:
        """US dollars for one call. Of the input tokens, `cached_tokens` were read from
        the cache and `cache_write_tokens` written to it."""
        cached = self.input if self.cached_input is None else self.cached_input
        written = self.input if self.cache_write is None else self.cache_write
        plain = input_tokens - cached_tokens - cache_write_tokens
        spent = self.input * plain + self.output * output_tokens
        spent += cached * cached_tokens + written * cache_write_tokens
        return spent / 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an account on this plan may take; the provider's own limits included.

    `spent` and `bought` are the US dollars that lead to it: spent there, says the
    journal, or bought as credit, says the provider. None: nothing leads there by
    itself.
    """

    name: str
    limits: tuple[Limit, ...] = ()
    classes: Mapping[str, tuple[Limit, ...]] = field(default_factory=dict)
    spent: Decimal | None = None
    bought: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One account at one provider.

    `api_key` is None when its variable is not set: the provider is then not
    available, which is no mistake. `local` providers need no key, and are used only
    when `base_url` answers. `classes` maps a class of deployments (such as `free`)
    to the limits that all of its deployments share. `plan` is the one of `plans` that
    the account is on at least; `limits` and `classes` are those of that plan.
    `headers` go with every call; what is in them may be secret.
    """

    name: str
    api_key: str | None = field(default=None, repr=False)
    api_key_variable: str | None = None
    base_url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    local: bool = False
    timeout: float = 120.0
    limits: tuple[Limit, ...] = ()
    classes: Mapping[str, tuple[Limit, ...]] = field(default_factory=dict)
    plan: str | None = None
    plans: Mapping[str, Plan] = field(default_factory=dict)

    @property
    def keyless(self) -> bool:
        """Whether it takes calls without a key: it is local, or the YAML gives it an
        address and no `api_key`."""
        return self.local or (
            self.api_key_variable is None and self.base_url is not None
        )

    @property
    def available(self) -> bool:
        """Whether calls may go there: it has a key, or needs none."""
        return self.keyless or self.api_key is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One model at one provider, behind a stable slot name.

    `model` is litellm's id. `context_window` and `max_output` are in tokens.
    `price` is None when nobody knows it: then a cost is unknown, not zero.
    `parameters` go with every call. `window_assumed`: nobody gave its window.
    `checked` is the day on which somebody saw that the id is alive. `prompt` names its
    style (`settings.prompts.style_for`).
    """

    name: str
    provider: Provider = field(repr=False)
    model: str
    base_url: str | None = None
    klass: str | None = None
    price: Price | None = None
    limits: tuple[Limit, ...] = ()
    context_window: int = 128_000
    window_assumed: bool = False
    max_output: int = 8_192
    vision: bool = False
    tools: bool = True
    timeout: float | None = None
    parameters: Mapping[str, object] = field(default_factory=dict, repr=False)
    checked: date | None = None
    prompt: str | None = None

    @property
    def family(self) -> str:
        """litellm's prefix of the model id: whose protocol it speaks."""
        return self.model.partition("/")[0]


def families(settings: "Settings") -> dict[str, str]:
    """litellm's name for each provider, from the model ids of its deployments."""
    return {
        deployment.provider.name: deployment.family
        for deployment in settings.deployments.values()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A fallback chain: deployment names in order, and the tier that follows it.

    A chain in YAML may also name tiers; here they are already written out. `limits`
    are on what all deployments of the chain take together; `reserve` is the share that
    is kept, of them and of those of the deployments. `strategy` is one of `STRATEGIES`.
    """

    name: str
    chain: tuple[str, ...]
    then: str | None = None
    limits: tuple[Limit, ...] = ()
    strategy: str = PRIORITY
    reserve: Reserve | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One agent. `patience` is how many seconds a call waits for a better
    deployment before it takes the next one. `commands` are the programs that it may
    run. `own_tools` are its user's, by their place in the list; `own` has dotted paths
    by key. `pattern` are the models that make its calls together. `options` go to
    `crewai.Agent`."""

    name: str
    role: str
    goal: str
    backstory: str
    tier: str
    kind: str | None = None
    patience: float = 0.0
    tools: tuple[str, ...] = ()
    own_tools: Mapping[int, OwnTool | Server] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    pattern: Pattern | None = None
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """One task. `when` is None or `images`: the task is left out without images.
    `context` is None where the YAML does not give it: then all earlier tasks.
    `complexity_reason` is where the complexity comes from: `tasks.yaml`, or for a
    default its reason; `OPEN` as long as the request is not known.
    `changed` is whether it must have changed a file, where its role can write.
    `own` has dotted paths by key, such as `output_pydantic`.
    `options` go to `crewai.Task` as is."""

    name: str
    description: str
    expected_output: str
    agent: str | None = None
    context: tuple[str, ...] | None = None
    complexity: str = MEDIUM
    complexity_reason: str = IN_YAML
    kind: str | None = None
    gates: tuple[GateSpec, ...] = ()
    when: str | None = None
    changed: bool = True
    own: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole configuration.

    `budgets` are limits on everything together; one with the window `run` counts a
    single run. `budget_rules` are the budgets with a scope, a warning or an action;
    those without a scope are among the `budgets`, too. `quotas` maps a scope (`user`,
    `team`, `role`, `run`) to its limits, one member of it (`role:coder`) to its own.
    `max_wait` is how many seconds a call waits at most when every deployment is
    closed; `max_calls` is how many model calls one run may make, none of them later
    than `deadline` seconds after its start. The journal keeps a run `keep_seconds`
    long; None: always. When the store cannot be reached, `store_failure` is `stop`, or
    `local` for counts of this process alone. `rule_strategies` are those of the routing
    rules (without one: `priority`), `free_quota` is one of `FREE_QUOTA`. `config_hash`
    is the SHA-256 over the YAML files, `digests` are those of the files that a person
    accepted; None where the directory was named. `prompts` are names by family.
    """

    config_dir: Path
    state_dir: Path
    store_url: str
    user: str
    team: str
    providers: Mapping[str, Provider]
    deployments: Mapping[str, Deployment]
    tiers: Mapping[str, Tier]
    routing: Mapping[str, tuple[str, ...]]
    roles: Mapping[str, Role]
    tasks: Mapping[str, TaskSpec]
    process: str = "hierarchical"
    manager: str = "manager"
    budgets: tuple[Limit, ...] = ()
    budget_rules: tuple[Budget, ...] = ()
    quotas: Mapping[str, tuple[Limit, ...]] = field(default_factory=dict)
    max_wait: float = 300.0
    max_calls: int = 200
    deadline: float | None = None
    store_failure: str = "stop"
    ladder: LadderSpec = field(default_factory=LadderSpec)
    rule_strategies: Mapping[str, str] = field(default_factory=dict)
    free_quota: str = FIRST_COME
    alerts: AlertSettings = field(default_factory=AlertSettings)
    regression: RegressionSpec = field(default_factory=RegressionSpec)
    keep_seconds: float | None = None
    inputs: Inputs | None = None
    experiments: Mapping[str, ExperimentSpec] = field(default_factory=dict)
    checks: CheckSettings = field(default_factory=CheckSettings)
    prompts: Mapping[str, str] = field(default_factory=dict)
    styles: Mapping[str, Style] = field(default_factory=lambda: BUILT_IN)
    rehearsal: bool = False
    config_hash: str = ""
    secrets: Secrets = field(default_factory=Secrets, repr=False)
    digests: Mapping[str, str] | None = field(default=None, repr=False)
