"""Small settings by hand, for tests below the YAML files."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from crew.quota.limit_syntax import parse_limit
from crew.settings import Deployment, Price, Provider, Role, Settings, TaskSpec, Tier
from crew.settings.gates import gate
from hangs import HANGS_AFTER

FREE = Price(input=Decimal(0), output=Decimal(0))
DEAR = Price(input=Decimal(5), output=Decimal(25))


def provider(name: str, *limits: str, **fields: object) -> Provider:
    made = Provider(
        name=name,
        api_key=f"sk-{name}",
        api_key_variable=f"{name.upper()}_API_KEY",
        limits=tuple(parse_limit(text) for text in limits),
        timeout=HANGS_AFTER,
    )
    return replace(made, **fields)


def deployment(name: str, by: Provider, **fields: object) -> Deployment:
    made = Deployment(name=name, provider=by, model=f"openai/{name}", price=FREE)
    return replace(made, **fields)


def settings(
    deployments: Sequence[Deployment],
    tmp_path: Path,
    *,
    tiers: Mapping[str, tuple[Sequence[str], str | None]] | None = None,
    roles: Sequence[Role] = (),
    tasks: Sequence[TaskSpec] = (),
    **fields: object,
) -> Settings:
    """Settings of these deployments; by default one tier `mid` with all in order."""
    chains = tiers or {"mid": ([one.name for one in deployments], None)}
    made = Settings(
        config_dir=tmp_path / "config",
        state_dir=tmp_path / ".crew",
        store_url="memory:",
        user="ada",
        team="core",
        providers={one.provider.name: one.provider for one in deployments},
        deployments={one.name: one for one in deployments},
        tiers={
            name: Tier(name=name, chain=tuple(chain), then=then)
            for name, (chain, then) in chains.items()
        },
        routing={},
        roles={one.name: one for one in roles},
        tasks={one.name: one for one in tasks},
    )
    return replace(made, **fields)


def role(name: str = "coder", tier: str = "mid", **fields: object) -> Role:
    made = Role(name=name, role=name.title(), goal="work", backstory="works", tier=tier)
    return replace(made, **fields)


def with_goal() -> TaskSpec:
    """A task of the coder whose result has to have a section `Goal`."""
    return TaskSpec(
        name="code",
        description="code",
        expected_output="code",
        agent="coder",
        gates=(gate({"has_sections": ["Goal"]}),),
    )
