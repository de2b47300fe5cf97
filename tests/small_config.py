"""Five small YAML files of a configuration that is right, and ways to break them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from crew.errors import Mistake, SettingsError
from crew.settings.loader import load_settings

AGENTS = """\
manager:
  role: Manager
  goal: delegate
  backstory: leads
  tier: senior
coder:
  role: Engineer
  goal: code {request}
  backstory: codes
  tier: mid
  kind: coding
  patience: 30s
  tools: [read_file]
  max_iter: 5
"""
TASKS = """\
process: hierarchical
design:
  description: design {request}
  expected_output: a design
  agent: coder
code:
  description: code {request}
  expected_output: code
  agent: coder
  context: [design]
  complexity: high
  gates: [python_parses]
"""
PROVIDERS = """\
providers:
  alpha:
    api_key: ${ALPHA_API_KEY}
    plan: free
    limits: 5 concurrent
    plans:
      free: {limits: {free: [20 requests/minute]}}
      paid:
        limits: [9 requests/minute]
        from: 10 usd bought
  beta:
    local: true
    base_url: http://127.0.0.1:1
    timeout: 5m
deployments:
  big:
    provider: alpha
    model: openai/big
    price: {input: 1, output: 2.5}
  small:
    provider: alpha
    model: openai/small
    class: free
    price: {input: 0, output: 0}
  own:
    provider: beta
    model: ollama_chat/own
    price: {input: 0, output: 0}
"""
TIERS = """\
tiers:
  senior: [big]
  mid:
    chain: [small, senior]
    then: senior
routing:
  coding.high: [mid]
budgets: 2 usd/run
quotas:
  user: [100 requests/day]
max_wait: 5m
max_calls: 50
"""
INPUTS = """\
request: add paging
repositories: [../shop]
values: {style: terse}
"""
FILES = {
    "agents": AGENTS,
    "tasks": TASKS,
    "providers": PROVIDERS,
    "tiers": TIERS,
    "inputs": INPUTS,
}


def write_files(directory: Path) -> Path:
    directory.mkdir()
    for name, text in FILES.items():
        (directory / f"{name}.yaml").write_text(text, encoding="utf-8")
    return directory


def change(config: Path, file: str, old: str, new: str) -> None:
    path = config / f"{file}.yaml"
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
    path.write_text(text.replace(old, new), encoding="utf-8")


def mistakes_of(
    config: Path, environ: Mapping[str, str] | None = None
) -> tuple[Mistake, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(config, environ=environ or {})
    return caught.value.mistakes
