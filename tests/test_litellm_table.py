"""What litellm's own table knows, read without litellm."""

import json
import subprocess
import sys
from datetime import date
from decimal import Decimal

import pytest

from crew.settings.litellm_table import Table, lookup


def test_prices_are_dollars_for_a_million_tokens() -> None:
    facts = lookup("groq/openai/gpt-oss-120b")

    assert facts is not None
    assert (facts.input_price, facts.output_price) == (Decimal("0.15"), Decimal("0.6"))
    assert facts.tools
    assert facts.vision is None


def test_a_model_is_found_with_and_without_its_providers_prefix() -> None:
    assert lookup("anthropic/claude-opus-5") == lookup("claude-opus-5")
    assert lookup("openai/gpt-5.6") == lookup("gpt-5.6")


def test_sizes_and_the_end_of_a_model_are_known() -> None:
    facts = lookup("anthropic/claude-opus-5")

    assert facts is not None
    assert (facts.context_window, facts.max_output) == (1_000_000, 128_000)
    assert facts.vision
    dated = lookup("openai/gpt-4-0613")
    assert dated is not None
    assert isinstance(dated.deprecation_date, date)


@pytest.mark.parametrize(
    "model", ["openai/claude-opus-5", "nobody/nothing", "nothing", "", "sample_spec/x"]
)
def test_what_is_not_listed_for_that_provider_is_none(model: str) -> None:
    assert lookup(model) is None


def test_a_missing_table_knows_nothing() -> None:
    script = (
        "import importlib.util as u; u.find_spec = lambda name: None;"
        "from crew.settings.litellm_table import lookup; print(lookup('gpt-5.6'))"
    )

    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert printed.stdout.strip() == "None"


def test_looking_up_does_not_import_litellm() -> None:
    script = (
        "import sys; from crew.settings.litellm_table import lookup; lookup('gpt-5.6');"
        "print('litellm' in sys.modules)"
    )

    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert printed.stdout.strip() == "False"


@pytest.mark.parametrize("indent", [None, 1, 2, 4, 8])
def test_each_entry_is_that_of_the_file_however_it_is_indented(
    indent: int | None,
) -> None:
    whole = {
        "plain": {"mode": "chat", "input_cost_per_token": 1e-6, "more": {"a": {}}},
        'a "quoted" \\ name': {"more": {"plain": {"mode": "embedding"}}},
        "last": {"litellm_provider": "x", "list": [{"plain": {}}]},
    }

    text = json.dumps(whole, indent=indent).replace('    "last"', '"last"')

    table = Table(text)

    assert dict(table) == whole
    assert (table.get("more"), len(table)) == (None, 3)
