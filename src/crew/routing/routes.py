"""Which deployments may serve a request: by the rule, then tier after tier."""

from collections.abc import Iterator
from dataclasses import dataclass

from crew.settings import Deployment, Settings
from crew.settings.prompts import style_for

TOO_SMALL = "its context window is too small"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What one call asks for. Tokens are estimates; `patience` is in seconds.
    `characters` and `images` are what is sent, where that is known: each deployment
    has its own ratio of tokens to characters.

    `chain` are the deployments of the present step of the task's ladder: they go first;
    `without` are those that failed the task at steps below.
    `tier` is where the search starts when no routing rule fits `kind` and
    `complexity`. `role`, `task` and `run` are names, for quotas and the journal, and
    so is `part`, of the role's pattern.
    `trust` is that of the strongest gate of the task.
    `style` is the name of a style of prompt in place of each deployment's own.
    """

    tier: str
    input_tokens: int
    output_tokens: int
    role: str = ""
    task: str | None = None
    run: str | None = None
    kind: str | None = None
    complexity: str | None = None
    trust: str = ""
    tools: bool = False
    vision: bool = False
    patience: float = 0.0
    characters: int | None = None
    images: int = 0
    chain: tuple[str, ...] = ()
    without: frozenset[str] = frozenset()
    part: str = ""
    style: str | None = None

    @property
    def speaker(self) -> str:
        """Whose answers are alike in length: the role's, or a part's of its pattern."""
        return f"{self.role}/{self.part}" if self.part else self.role

    @property
    def needs(self) -> frozenset[str]:
        """What not every deployment can do."""
        asked = {"tools": self.tools, "images": self.vision}
        return frozenset(name for name, wanted in asked.items() if wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The candidates in order, and why each of the others was left out. `too_small`
    are those of the others that only the length of the conversation kept out."""

    candidates: tuple[Deployment, ...]
    left_out: tuple[tuple[str, str], ...]
    too_small: tuple[Deployment, ...] = ()


def route(
    settings: Settings, request: Request, *, unreachable: frozenset[str] = frozenset()
) -> Route:
    """Order the deployments for a request.

    `unreachable` names local providers that do not answer.
    """
    candidates: list[Deployment] = []
    left_out: list[tuple[str, str]] = []
    too_small: list[Deployment] = []
    for name in dict.fromkeys(_names(settings, request)):
        deployment = settings.deployments[name]
        reason = _unfit(deployment, request, unreachable)
        if reason is not None:
            left_out.append((name, reason))
        elif _size(settings, deployment, request) > deployment.context_window:
            too_small.append(deployment)
            left_out.append((name, TOO_SMALL))
        else:
            candidates.append(deployment)
    return Route(
        candidates=tuple(candidates),
        left_out=tuple(left_out),
        too_small=tuple(too_small),
    )


def _size(settings: Settings, deployment: Deployment, request: Request) -> int:
    """Tokens of the conversation, as it is worded there, and of the answer."""
    style = style_for(settings, deployment, request.style)
    return request.input_tokens + style.tokens + request.output_tokens


def rule(
    settings: Settings, kind: str | None, complexity: str | None
) -> tuple[str, ...]:
    """The deployments that a routing rule puts first for this work; none where no
    rule fits."""
    name = rule_name(settings, kind, complexity)
    return () if name is None else settings.routing[name]


def rule_name(
    settings: Settings, kind: str | None, complexity: str | None
) -> str | None:
    """The routing rule that fits this work, if there is one."""
    for name in (f"{kind}.{complexity}", kind):
        if name is not None and name in settings.routing:
            return name
    return None


def _names(settings: Settings, request: Request) -> Iterator[str]:
    """Deployment names: of the step, of the rule, of the tier and those after it."""
    yield from request.chain
    yield from rule(settings, request.kind, request.complexity)
    tier: str | None = request.tier
    while tier is not None:
        yield from settings.tiers[tier].chain
        tier = settings.tiers[tier].then


def _unfit(
    deployment: Deployment, request: Request, unreachable: frozenset[str]
) -> str | None:
    provider = deployment.provider
    if deployment.name in request.without:
        return "it failed this task before"
    if not provider.available:
        return f"no key: {provider.api_key_variable or provider.name} is not set"
    if provider.name in unreachable:
        return f"{provider.name} does not answer"
    if request.vision and not deployment.vision:
        return "it cannot see images"
    return None
