"""The configuration that comes with the project: it loads, and its models live."""

import cProfile
import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from configured import with_ready_task
from crew.routing import Request, route
from crew.settings import KINDS, Settings
from crew.settings.gates import gate
from crew.settings.litellm_table import lookup
from crew.settings.loader import load_settings
from crew.settings.placeholders import check_placeholders

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
        "ZAI",
        "NVIDIA_NIM",
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


class Reading(dict[str, str]):
    """An environment that knows which of its variables were asked for."""

    def __init__(self) -> None:
        super().__init__(KEYS)
        self.asked: set[str] = set()

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        self.asked.add(name)
        return super().get(name, default)


def test_the_example_names_the_variables_that_are_read_and_no_others() -> None:
    environ = Reading()
    settings = load_settings(CONFIG, environ=environ)
    example = (PROJECT / ".env.example").read_text(encoding="utf-8")

    written = re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE)
    keys = {one.api_key_variable for one in settings.providers.values()} - {None}

    assert len(written) == len(set(written))
    assert keys == set(KEYS)
    # Where the YAML and this file lie, only the environment says.
    search = {"CREW_CONFIG_DIR", "CREW_ENV_FILE", "XDG_CONFIG_HOME", "HOME"}
    # GitHub is not among the settings.
    others = {"GITHUB_TOKEN", "GITHUB_API_URL"}
    assert set(written) == environ.asked - search | others


def test_the_example_explains_each_variable_and_sets_none() -> None:
    lines = (PROJECT / ".env.example").read_text(encoding="utf-8").splitlines()

    for above, line in pairwise(lines):
        if re.match(r"#?[A-Z_]+=", line):
            assert above.startswith("# "), line
            assert line.startswith("#") or line.endswith("="), "a value is set"


def _entries(text: str) -> list[str]:
    """The entries of providers.yaml, each with the comments inside and above it."""
    parts = re.split(r"\n(?=(?:\n|  #.*\n)*  [a-z0-9_-]+:)", text)
    return [part for part in parts if re.search(r"^  [a-z0-9_-]+:", part, re.MULTILINE)]


def test_every_number_of_a_provider_has_its_date() -> None:
    text = (CONFIG / "providers.yaml").read_text(encoding="utf-8")
    entries = _entries(text)

    assert len(entries) == len(_load({}).providers) + len(_load({}).deployments)
    for entry in entries:
        code = re.sub(r"#.*", "", entry)
        if re.search(r"^    (limits|classes|plans|price|context_window):", code, re.M):
            assert re.search(r"\b20\d\d-\d\d", entry), entry


def test_the_examples_load(tmp_path: Path) -> None:
    for path in CONFIG.glob("*.yaml"):
        head, mark, example = path.read_text("utf-8").partition("\n# An example")
        shown = re.sub(r"^#(?=\w|  )", "", example, flags=re.MULTILINE)
        (tmp_path / path.name).write_text(head + mark + shown, encoding="utf-8")

    settings = load_settings(tmp_path, environ=KEYS)

    assert settings.roles["reviewer"].tier == "specialist"
    assert list(settings.tasks)[-1] == "review"


def test_every_role_reaches_several_providers_and_the_local_model_last() -> None:
    settings = _load(KEYS)

    for role in settings.roles:
        names = _reachable(settings, role, tools=True)
        providers = {settings.deployments[name].provider.name for name in names}

        assert len(providers) >= 5, role
        assert names[-1] == "ollama"


def test_the_local_model_is_used_only_while_it_answers() -> None:
    settings = _load(KEYS)
    request = Request(tier="senior", input_tokens=1, output_tokens=1)
    silent = route(settings, request, unreachable=frozenset({"ollama"}))

    assert route(settings, request).candidates[-1].name == "ollama"
    assert "ollama" not in {one.name for one in silent.candidates}


@pytest.mark.parametrize("name", ["senior", "mid", "specialist", "vision"])
def test_every_tier_has_three_ranks_and_overflows(name: str) -> None:
    settings = _load({})
    tier = settings.tiers[name]
    providers = {settings.deployments[one].provider.name for one in tier.chain}

    assert len(tier.chain) >= 3
    assert len(providers) >= 2
    assert tier.then is not None


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
        "glm-free",
        "laguna-free",
        "minimax-free",
        "llama-vision",
        "llama-70b",
        "qwq",
        "groq-gpt-oss",
        "mistral",
        "ollama",
    }


def test_free_models_cost_nothing_and_share_one_bucket() -> None:
    settings = _load({})
    free = [one for one in settings.deployments.values() if ":free" in one.model]

    assert {one.klass for one in free} == {"free"}
    assert {one.price and one.price.output for one in free} == {0}
    assert settings.providers["openrouter"].classes["free"]


def test_high_complexity_and_vision_go_to_models_that_can() -> None:
    settings = _load(KEYS)

    assert _reachable(settings, "coder", complexity="high")[0] == "claude-opus"
    assert _reachable(settings, "coder", complexity="medium")[0] == "glm-free"
    seeing = _reachable(settings, "vision_analyst", vision=True)
    assert seeing[0] == "llama-vision"
    assert all(settings.deployments[name].vision for name in seeing)


def test_every_kind_of_work_starts_where_the_rules_say() -> None:
    settings = _load(KEYS)

    assert _reachable(settings, "coder", complexity="low")[0] == "glm-free"
    assert _reachable(settings, "documenter")[0] == "gemini-flash"
    assert _reachable(settings, "manager")[:2] == ["claude-sonnet", "claude-opus"]
    assert _reachable(settings, "architect")[:3] == [
        "claude-opus",
        "claude-sonnet",
        "gpt-4",
    ]
    reasoning = Request(
        tier="specialist", kind="reasoning", input_tokens=1, output_tokens=1
    )
    assert [one.name for one in route(settings, reasoning).candidates][:3] == [
        "qwq",
        "deepseek-r1",
        "claude-sonnet",
    ]


REMOTE = sorted(
    name for name, one in _load({}).deployments.items() if not one.provider.local
)
TEXT = (CONFIG / "providers.yaml").read_text("utf-8").partition("\ndeployments:")[2]


def _given(name: str) -> set[str]:
    """The keys that the YAML gives a deployment."""
    (entry,) = re.findall(rf"^  {name}:.*\n(?:    .*\n)+", TEXT, re.MULTILINE)
    return set(re.findall(r"^    (\w+):", entry, re.MULTILINE))


@pytest.mark.parametrize("name", REMOTE)
def test_models_are_listed_and_alive_or_described_in_full(name: str) -> None:
    """Newer models are in the table of a newer litellm, and NVIDIA's in none."""
    deployment = _load({}).deployments[name]
    facts = lookup(deployment.model)
    price = deployment.price

    assert deployment.checked is not None
    assert price is not None
    if facts is None:
        whole = {"price", "context_window", "max_output", "vision", "tools"}
        assert _given(name) >= whole
        return
    retired = facts.deprecation_date
    assert retired is None or retired > deployment.checked
    assert deployment.tools == bool(facts.tools)
    assert deployment.vision <= bool(facts.vision)
    assert deployment.context_window <= (facts.context_window or 0)
    assert deployment.max_output <= (facts.max_output or deployment.max_output)
    # Free, or no less than the table has: prices differ by its version.
    assert (price.input, price.output) == (0, 0) or (
        price.input >= (facts.input_price or 0)
        and price.output >= (facts.output_price or 0)
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
    assert settings.tasks["design"].context is None  # all that come before it
    assert settings.tasks["code"].gates == tuple(
        map(gate, ("changed", "python_parses", "checks"))
    )


READY = ("accessibility", "api_documentation", "error_screenshot")


@pytest.mark.parametrize("name", READY)
def test_a_ready_task_for_images_needs_no_more_than_its_marks_taken_away(
    name: str, tmp_path: Path
) -> None:
    settings = load_settings(with_ready_task(tmp_path, name), environ=KEYS)

    task = settings.tasks[name]
    assert settings.inputs is not None
    assert check_placeholders(settings, settings.inputs) == []
    assert list(settings.tasks)[:3] == ["look", name, "design"]
    assert (task.agent, task.when) == ("vision_analyst", "images")
    assert "{images}" in task.description
    assert settings.tasks["design"].context is None


def test_every_ready_task_is_tried_here() -> None:
    text = (CONFIG / "tasks.yaml").read_text(encoding="utf-8")
    ready = text.partition("\n# Three ready tasks")[2].partition("\ndesign:")[0]

    assert tuple(re.findall(r"^#(\w+):", ready, re.MULTILINE)) == READY


def test_every_routing_rule_names_a_kind() -> None:
    assert {name.partition(".")[0] for name in _load({}).routing} <= set(KINDS)


def test_loading_is_quick() -> None:
    """By the calls that it takes: seconds depend on how busy the machine is."""
    _load({})  # the table of models is read once
    with cProfile.Profile() as profile:
        _load({})

    calls = sum(entry.callcount for entry in profile.getstats())
    assert calls < 100_000
