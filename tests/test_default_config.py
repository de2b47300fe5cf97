"""The configuration that comes with the project: it loads, and its models live."""

import re
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from crew.loader import check_placeholders, load_settings
from crew.model_map import lookup
from crew.routing import Request, route
from crew.settings import KINDS, Settings

PROJECT = Path(__file__).parents[1]
CONFIG = PROJECT / "config"
KEYS = {
    f"{name}_API_KEY": f"key-of-{name.lower()}"
    for name in (
        "ANTHROPIC",
        "OPENAI",
        "GEMINI",
        "OPENROUTER",
        "TOGETHER",
        "GROQ",
        "MISTRAL",
        "DEEPSEEK",
    )
}
FREE_KEYS = ("GEMINI_API_KEY", "OPENROUTER_API_KEY", "GROQ_API_KEY")


def _load(environ: Mapping[str, str]) -> Settings:
    return load_settings(CONFIG, environ=environ)


def _reachable(settings: Settings, role: str, **fields: object) -> list[str]:
    tier, kind = settings.roles[role].tier, settings.roles[role].kind
    request = Request(tier=tier, kind=kind, input_tokens=1, output_tokens=1, **fields)
    return [one.name for one in route(settings, request).candidates]


@pytest.mark.parametrize("environ", [{}, KEYS], ids=["no key", "all keys"])
def test_it_loads_with_and_without_keys(environ: Mapping[str, str]) -> None:
    settings = _load(environ)

    available = {n for n, one in settings.providers.items() if one.api_key}
    assert available == (set(settings.providers) - {"ollama"} if environ else set())
    assert set(settings.roles) >= {
        "manager",
        "architect",
        "coder",
        "documenter",
        "vision_analyst",
    }
    assert settings.process == "hierarchical"


def test_every_key_variable_is_explained_in_the_example() -> None:
    settings = _load(KEYS)
    example = (PROJECT / ".env.example").read_text(encoding="utf-8")

    variables = {one.api_key_variable for one in settings.providers.values()} - {None}
    written = set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE))

    assert variables == set(KEYS)
    assert written == variables | {
        "CREW_CONFIG_DIR",
        "CREW_STATE_DIR",
        "CREW_STORE",
        "CREW_DATABASE",
        "CREW_USER",
        "CREW_TEAM",
    }
    assert not re.search(r"^[A-Z_]+=.", example, re.MULTILINE), "a value is set"


def test_every_role_reaches_several_providers_and_the_local_model_last() -> None:
    settings = _load(KEYS)

    for role in settings.roles:
        names = _reachable(settings, role, tools=True)
        providers = {settings.deployments[name].provider.name for name in names}

        assert len(providers) >= 5, role
        assert names[-1] == "ollama"


def test_every_role_is_served_by_free_keys_alone() -> None:
    settings = _load({name: KEYS[name] for name in FREE_KEYS})

    for role in settings.roles:
        names = _reachable(settings, role, tools=True)
        prices = [settings.deployments[name].price for name in names]

        assert any(price is not None and price.output == 0 for price in prices), role
    assert "gemini-flash" in _reachable(settings, "vision_analyst", vision=True)


def test_every_deployment_is_in_some_chain() -> None:
    settings = _load({})
    used = {name for tier in settings.tiers.values() for name in tier.chain}

    assert used == set(settings.deployments)


def test_the_stable_names_are_there() -> None:
    settings = _load({})

    assert set(settings.tiers) >= {"senior", "mid", "specialist", "vision"}
    assert settings.tiers["senior"].chain == ("claude-opus", "claude-sonnet", "gpt-4")
    assert settings.tiers["mid"].then == "senior"
    assert set(settings.deployments) >= {
        "claude-opus",
        "claude-sonnet",
        "gpt-4",
        "gemini-flash",
        "deepseek",
        "deepseek-r1",
        "qwen-coder",
        "llama-vision",
        "llama-70b",
        "qwq",
        "mistral",
        "ollama",
    }


def test_high_complexity_and_vision_go_to_models_that_can() -> None:
    settings = _load(KEYS)

    assert _reachable(settings, "coder", complexity="high")[0] == "claude-opus"
    assert _reachable(settings, "coder", complexity="medium")[0] == "glm-free"
    seeing = _reachable(settings, "vision_analyst", vision=True)
    assert seeing[0] == "llama-vision"
    assert all(settings.deployments[name].vision for name in seeing)


REMOTE = sorted(
    name for name, one in _load({}).deployments.items() if not one.provider.local
)


@pytest.mark.parametrize("name", REMOTE)
def test_models_are_listed_and_were_alive_when_checked(name: str) -> None:
    deployment = _load({}).deployments[name]
    facts = lookup(deployment.model)

    assert facts is not None, f"{deployment.model} is not in litellm's table"
    assert deployment.checked is not None
    retired = facts.deprecation_date
    assert retired is None or retired > deployment.checked
    assert deployment.tools == bool(facts.tools)
    assert deployment.vision <= bool(facts.vision)
    assert deployment.context_window <= (facts.context_window or 0)
    price = deployment.price
    assert price is not None
    assert (price.input, price.output) in (
        (facts.input_price, facts.output_price),
        (0, 0),
    )


def test_every_price_is_known() -> None:
    assert all(one.price is not None for one in _load({}).deployments.values())


def test_its_texts_ask_for_nothing_that_a_run_does_not_give() -> None:
    settings = _load({})
    assert settings.inputs is not None

    assert check_placeholders(settings, settings.inputs) == []
    assert settings.inputs.repositories == ()
    assert settings.inputs.images == ()


def test_images_are_looked_at_first_and_reach_the_design() -> None:
    settings = _load({})

    assert next(iter(settings.tasks)) == "look"
    assert settings.tasks["look"].when == "images"
    assert "look" in (settings.tasks["design"].context or ())
    assert settings.tasks["code"].gates == ("python_parses",)


def test_every_routing_rule_names_a_kind() -> None:
    assert {name.partition(".")[0] for name in _load({}).routing} <= set(KINDS)


def test_loading_is_quick() -> None:
    _load({})  # the table of models is read once
    start = time.perf_counter()
    _load({})

    assert time.perf_counter() - start < 0.15
