"""The YAML files become settings: values, variables, anchors, and facts of models."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from crew.quota.limit_syntax import parse_limit
from crew.settings import Inputs
from crew.settings.loader import load_settings
from small_config import AGENTS, change, write_files


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_files(tmp_path / "config")


def test_the_files_become_settings(config: Path) -> None:
    found = load_settings(
        config, environ={"ALPHA_API_KEY": "sk-1", "CREW_USER": "ada", "CREW_TEAM": ""}
    )

    assert found.config_dir == config
    assert found.state_dir == Path(".crew")
    assert found.store_url == "sqlite:///.crew/quota.db"
    assert (found.user, found.team) == ("ada", "default")
    assert found.providers["alpha"].api_key == "sk-1"
    assert found.providers["alpha"].api_key_variable == "ALPHA_API_KEY"
    assert found.providers["alpha"].limits == (parse_limit("5 concurrent"),)
    assert found.providers["alpha"].classes == {
        "free": (parse_limit("20 requests/minute"),)
    }
    assert found.providers["beta"].local
    assert found.providers["beta"].timeout == 300.0
    assert found.deployments["big"].price is not None
    assert found.deployments["big"].price.output == Decimal("2.5")
    assert found.deployments["big"].provider is found.providers["alpha"]
    assert found.deployments["small"].klass == "free"
    assert found.tiers["mid"].chain == ("small", "big")
    assert found.tiers["mid"].then == "senior"
    assert found.routing == {"coding.high": ("small", "big")}
    assert found.budgets == (parse_limit("2 usd/run"),)
    assert found.quotas == {"user": (parse_limit("100 requests/day"),)}
    assert (found.max_wait, found.max_calls) == (300.0, 50)
    assert found.roles["coder"].patience == 30.0
    assert found.roles["coder"].tools == ("read_file",)
    assert found.roles["coder"].options == {"max_iter": 5}
    assert found.tasks["design"].context is None
    assert found.tasks["code"].context == ("design",)
    assert [str(gate) for gate in found.tasks["code"].gates] == ["python_parses"]
    assert found.inputs == Inputs(
        request="add paging", repositories=("../shop",), values={"style": "terse"}
    )


def test_the_limits_of_the_chosen_plan_are_added(config: Path) -> None:
    change(config, "providers", "plan: free", "plan: paid")

    provider = load_settings(config, environ={}).providers["alpha"]

    assert provider.limits == (
        parse_limit("5 concurrent"),
        parse_limit("9 requests/minute"),
    )
    assert provider.classes == {"free": ()}


def test_a_provider_without_its_key_is_not_available(config: Path) -> None:
    found = load_settings(config, environ={"ALPHA_API_KEY": ""})

    assert found.providers["alpha"].api_key is None
    assert not found.providers["alpha"].available


def test_there_need_not_be_inputs(config: Path) -> None:
    (config / "inputs.yaml").unlink()

    assert load_settings(config, environ={}).inputs is None


def test_variables_are_replaced_with_defaults_and_types(config: Path) -> None:
    change(config, "tiers", "max_calls: 50", "max_calls: ${CALLS:-70}")
    change(config, "tiers", "max_wait: 5m", "max_wait: ${WAIT}")
    change(config, "inputs", "add paging", "'${TEXT:-} pay $${5} and ${CALLS}'")

    found = load_settings(config, environ={"WAIT": "2h", "CALLS": "80", "TEXT": ""})

    assert (found.max_calls, found.max_wait) == (80, 7200.0)
    assert found.inputs is not None
    assert found.inputs.request == "pay ${5} and 80"
    assert load_settings(config, environ={"WAIT": "1", "CALLS": "1"}).max_wait == 1.0


def test_anchors_and_merge_keys_work(config: Path) -> None:
    change(config, "agents", "coder:\n", "coder: &coder\n")
    with (config / "agents.yaml").open("a", encoding="utf-8") as file:
        file.write("tester:\n  <<: *coder\n  role: Tester\n  kind: testing\n")

    found = load_settings(config, environ={}).roles["tester"]

    assert (found.role, found.kind, found.tier) == ("Tester", "testing", "mid")
    assert found.options == {"max_iter": 5}


def test_a_list_of_mappings_can_be_merged(config: Path) -> None:
    (config / "agents.yaml").write_text(
        AGENTS.replace("manager:\n", "manager: &a\n").replace("coder:\n", "coder: &b\n")
        + "tester:\n  <<: [*b, *a]\n  role: Tester\n",
        encoding="utf-8",
    )

    assert load_settings(config, environ={}).roles["tester"].goal == "code {request}"


def test_what_is_not_used_is_no_mistake(config: Path) -> None:
    change(config, "tiers", "  senior: [big]", "  senior: [big]\n  spare: [own]")

    assert "spare" in load_settings(config, environ={}).tiers


def test_an_unknown_price_is_no_mistake_where_nothing_counts_dollars(
    config: Path,
) -> None:
    change(config, "providers", "    price: {input: 1, output: 2.5}\n", "")
    change(config, "tiers", "budgets: 2 usd/run\n", "")

    assert load_settings(config, environ={}).deployments["big"].price is None


def test_what_the_yaml_leaves_out_is_taken_from_the_map(config: Path) -> None:
    change(config, "providers", "openai/big", "anthropic/claude-opus-5")
    change(config, "providers", "    price: {input: 1, output: 2.5}\n", "")

    found = load_settings(config, environ={}).deployments["big"]

    assert found.price is not None
    assert found.price.input == 5
    assert found.context_window == 1_000_000
    assert found.vision


def test_a_deployment_is_at_its_providers_address(config: Path) -> None:
    found = load_settings(config, environ={}).deployments

    assert found["own"].base_url == "http://127.0.0.1:1"
    assert found["big"].base_url is None

    model = "model: ollama_chat/own\n"
    change(config, "providers", model, f"{model}    base_url: https://own/v1\n")
    own = load_settings(config, environ={}).deployments["own"]
    assert own.base_url == "https://own/v1"


def test_loading_imports_nothing_heavy() -> None:
    script = (
        "import sys; from crew.settings.loader import load_settings;"
        "load_settings(environ={});"
        "print([m for m in ('crewai', 'litellm', 'rich') if m in sys.modules])"
    )

    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert printed.stdout.strip() == "[]"
