"""Every mistake in the YAML is told with its file, line, key and what is allowed."""

import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from crew.errors import Mistake, SettingsError
from crew.quota.limit_syntax import parse_limit
from crew.settings import Inputs
from crew.settings.check_tasks import check_placeholders
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


@pytest.fixture
def config(tmp_path: Path) -> Path:
    directory = tmp_path / "config"
    directory.mkdir()
    for name, text in FILES.items():
        (directory / f"{name}.yaml").write_text(text, encoding="utf-8")
    return directory


def _change(config: Path, file: str, old: str, new: str) -> None:
    path = config / f"{file}.yaml"
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
    path.write_text(text.replace(old, new), encoding="utf-8")


def _mistakes(
    config: Path, environ: Mapping[str, str] | None = None
) -> tuple[Mistake, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(config, environ=environ or {})
    return caught.value.mistakes


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
    assert found.tasks["code"].gates == ("python_parses",)
    assert found.inputs == Inputs(
        request="add paging", repositories=("../shop",), values={"style": "terse"}
    )


def test_the_limits_of_the_chosen_plan_are_added(config: Path) -> None:
    _change(config, "providers", "plan: free", "plan: paid")

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


MISTAKES = [
    # file, what is written, what is written instead, line, key, part of the message
    # Unknown keys.
    ("agents", "tier: mid", "teir: mid", 10, "coder.teir", "did you mean 'tier'?"),
    ("agents", "max_iter: 5", "max_itr: 5", 14, "coder.max_itr", "'max_iter'"),
    ("tasks", "gates:", "gate:", 12, "code.gate", "did you mean 'gates'?"),
    ("providers", "timeout:", "timout:", 14, "providers.beta.timout", "'timeout'"),
    ("providers", "from:", "form:", 10, "providers.alpha.plans.paid.form", "'from'"),
    ("providers", "class: free", "clas: free", 23, "deployments.small.clas", "'class'"),
    (
        "providers",
        "{input: 1, output: 2.5}",
        "{input: 1, output: 2.5, cached: 1}",
        19,
        "deployments.big.price.cached",
        "unknown key 'cached'; allowed: input, output",
    ),
    ("providers", "deployments:", "deployment:", 15, "deployment", "'deployments'"),
    ("tiers", "then:", "than:", 5, "tiers.mid.than", "did you mean 'then'?"),
    ("tiers", "budgets:", "budget:", 8, "budget", "did you mean 'budgets'?"),
    ("inputs", "request:", "requst:", 1, "requst", "did you mean 'request'?"),
    # Unknown names.
    (
        "agents",
        "tier: mid",
        "tier: mind",
        10,
        "coder.tier",
        "unknown tier 'mind'; did you mean 'mid'? allowed: senior, mid",
    ),
    ("agents", "kind: coding", "kind: codding", 11, "coder.kind", "'coding'"),
    ("agents", "[read_file]", "[reed_file]", 13, "coder.tools[0]", "'read_file'"),
    (
        "tasks",
        "agent: coder\ncode",
        "agent: coda\ncode",
        5,
        "design.agent",
        "unknown role 'coda'; did you mean 'coder'? allowed: coder",
    ),
    ("tasks", "[design]", "[desing]", 10, "code.context[0]", "unknown task 'desing'"),
    ("tasks", "[python_parses]", "[parses]", 12, "code.gates[0]", "unknown gate"),
    (
        "tasks",
        "complexity: high",
        "complexity: hard",
        11,
        "code.complexity",
        "unknown complexity 'hard'; allowed: low, medium, high",
    ),
    (
        "tasks",
        "complexity: high",
        "when: pictures",
        11,
        "code.when",
        "unknown condition 'pictures'; allowed: images",
    ),
    (
        "tasks",
        "process: hierarchical",
        "process: hierarchic",
        1,
        "process",
        "did you mean 'hierarchical'? allowed: hierarchical, sequential",
    ),
    (
        "providers",
        "provider: beta",
        "provider: betta",
        26,
        "deployments.own.provider",
        "unknown provider 'betta'; did you mean 'beta'? allowed: alpha, beta",
    ),
    (
        "providers",
        "class: free",
        "class: fre",
        23,
        "deployments.small.class",
        "unknown class 'fre'; did you mean 'free'? allowed: free",
    ),
    (
        "providers",
        "plan: free",
        "plan: gold",
        4,
        "providers.alpha.plan",
        "unknown plan 'gold'; allowed: free, paid",
    ),
    (
        "tiers",
        "[big]",
        "[bigg]",
        2,
        "tiers.senior[0]",
        "unknown deployment or tier 'bigg'; did you mean 'big'?",
    ),
    ("tiers", "then: senior", "then: junior", 5, "tiers.mid.then", "'senior'"),
    ("tiers", "[mid]", "[middle]", 7, "routing.coding.high[0]", "unknown deployment"),
    ("tiers", "coding.high", "codng.high", 7, "routing.codng.high", "unknown kind"),
    ("tiers", "coding.high", "coding.hi", 7, "routing.coding.hi", "complexity 'hi'"),
    ("tiers", "user:", "usr:", 10, "quotas.usr", "unknown scope 'usr'"),
    (
        "tiers",
        "user: [100 requests/day]",
        "role: {codr: [100 requests/day]}",
        10,
        "quotas.role.codr",
        "unknown role 'codr'; did you mean 'coder'?",
    ),
    ("tiers", "  mid:\n", "  small:\n", 3, "tiers.small", "a deployment has this name"),
    # Circles and order.
    (
        "tasks",
        "agent: coder\ncode",
        "context: [code]\n  agent: coder\ncode",
        5,
        "design.context",
        "goes in a circle: design -> code -> design",
    ),
    ("tasks", "[design]", "[code]", 10, "code.context", "circle: code -> code"),
    (
        "tasks",
        "agent: coder\ncode:",
        "context: [last]\n  agent: coder\nlast:\n  description: x\n"
        "  expected_output: y\ncode:",
        5,
        "design.context[0]",
        "'last' is a later task",
    ),
    (
        "tiers",
        "senior: [big]",
        "senior: {chain: [big], then: mid}",
        2,
        "tiers.senior.then",
        "goes in a circle: senior -> mid -> senior",
    ),
    (
        "tiers",
        "senior: [big]",
        "senior: [big, mid]",
        2,
        "tiers.senior",
        "goes in a circle: senior -> mid -> senior",
    ),
    # Limits.
    (
        "tiers",
        "2 usd/run",
        "2 euro/run",
        8,
        "budgets",
        "'2 euro/run': unknown metric 'euro'; allowed: requests,",
    ),
    ("tiers", "100 requests/day", "many", 10, "quotas.user[0]", "is not of the form"),
    ("tiers", "100 requests/day", "5", 10, "quotas.user[0]", "found 5; allowed:"),
    (
        "tiers",
        "100 requests/day",
        "1 usd/run",
        10,
        "quotas.user[0]",
        "a limit per run belongs under `budgets` or `quotas.run`",
    ),
    (
        "providers",
        "20 requests/minute",
        "20 requests/minute @ Mars",
        7,
        "providers.alpha.plans.free.limits.free[0]",
        "unknown time zone 'Mars'",
    ),
    (
        "providers",
        "5 concurrent",
        "5 requests/run",
        5,
        "providers.alpha.limits",
        "a limit per run belongs under",
    ),
    # Types and ranges.
    ("agents", "30s", "soon", 12, "coder.patience", "found 'soon'; allowed: seconds"),
    ("agents", "30s", "-3", 12, "coder.patience", "found -3; allowed: seconds"),
    ("agents", "30s", "true", 12, "coder.patience", "found true; allowed: seconds"),
    ("agents", "max_iter: 5", "max_iter: 0", 14, "coder.max_iter", "at least 1"),
    ("agents", "max_iter: 5", "max_iter: x", 14, "coder.max_iter", "a whole number"),
    ("agents", "max_iter: 5", "temperature: 3", 14, "coder.temperature", "at most 2"),
    ("agents", "max_iter: 5", "verbose: 1", 14, "coder.verbose", "true or false"),
    ("agents", "[read_file]", "read_file", 13, "coder.tools", "expected a list"),
    ("agents", "role: Engineer", "role: ''", 7, "coder.role", "is empty"),
    ("agents", "role: Engineer", "role: [x]", 7, "coder.role", "found a list"),
    ("agents", "backstory: codes", "backstory:", 9, "coder.backstory", "found nothing"),
    ("agents", "  tier: mid\n", "", 6, "coder.tier", "missing"),
    ("tiers", "max_wait: 5m", "max_wait: 5 years", 11, "max_wait", "30s, 5m, 2h"),
    ("tiers", "max_calls: 50", "max_calls: 0", 12, "max_calls", "at least 1"),
    ("tiers", "[big]", "[]", 2, "tiers.senior", "is empty; name at least one"),
    ("tiers", "[small, senior]", "[]", 4, "tiers.mid.chain", "is empty"),
    ("tiers", "[mid]", "[]", 7, "routing.coding.high", "is empty"),
    ("tiers", "[big]", "big", 2, "tiers.senior", "found 'big', expected a list"),
    (
        "providers",
        "timeout: 5m",
        "timeout: 0",
        14,
        "providers.beta.timeout",
        "more than",
    ),
    (
        "providers",
        "{input: 1, output",
        "{input: -1, output",
        19,
        "deployments.big.price.input",
        "found -1; allowed: 0 or more",
    ),
    (
        "providers",
        "{input: 1, output: 2.5}",
        "{input: 1}",
        19,
        "deployments.big.price.output",
        "missing",
    ),
    (
        "providers",
        "  beta:\n    local: true\n    base_url: http://127.0.0.1:1\n    timeout: 5m\n",
        "  beta: yes\n",
        11,
        "providers.beta",
        "found true, expected a mapping",
    ),
    (
        "providers",
        "    model: openai/big\n",
        "    model: openai/big\n    checked: today\n",
        19,
        "deployments.big.checked",
        "expected a date such as 2026-11-23",
    ),
    ("inputs", "add paging", "''", 1, "request", "is empty"),
    ("inputs", "{style: terse}", "{style: 1}", 3, "values.style", "expected a text"),
    ("inputs", "{style:", "{images:", 3, "values.images", "every run sets this one"),
    ("inputs", "{style:", "{3:", 3, "values.3", "letters, digits, _ and -"),
    ("inputs", "{style:", "{a b:", 3, "values.a b", "no text can ask for this name"),
    # What a crew needs.
    ("agents", "manager:", "boss:", 1, "manager", "a hierarchical process needs"),
    (
        "agents",
        "  tier: senior\n",
        "  tier: senior\n  tools: [read_file]\n",
        6,
        "manager.tools",
        "the manager delegates, without tools",
    ),
    ("agents", "role: Engineer", "role: manager", 7, "coder.role", "the role of"),
    ("agents", "role: Engineer", "role: '{x}'", 7, "coder.role", "no placeholders"),
    (
        "tasks",
        "agent: coder\ncode",
        "agent: manager\ncode",
        5,
        "design.agent",
        "the manager delegates every task",
    ),
    (
        "agents",
        "role: Engineer",
        """role: ' "MANAGER" '""",
        7,
        "coder.role",
        "is also the role of 'manager'",
    ),
    # What CrewAI refuses, or passes over without a word.
    (
        "tasks",
        "complexity: high",
        "async_execution: true",
        11,
        "code.async_execution",
        "the one manager works on one task at a time; leave it out, or set "
        "`process: sequential`",
    ),
    (
        "agents",
        "max_iter: 5",
        "allow_delegation: true",
        14,
        "coder.allow_delegation",
        "only the manager delegates in a hierarchical process; leave it out",
    ),
    (
        "agents",
        "  tier: senior\n",
        "  tier: senior\n  allow_delegation: false\n",
        6,
        "manager.allow_delegation",
        "that is its work; leave it out",
    ),
    (
        "agents",
        "max_iter: 5",
        "date_format: '%Y'",
        14,
        "coder.date_format",
        "does nothing without `inject_date`",
    ),
    ("agents", "max_iter: 5", "system_template: x", 14, "coder.system_template", ""),
    ("agents", "max_iter: 5", "prompt_template: x", 14, "coder.prompt_template", ""),
    (
        "tasks",
        "gates: [python_parses]",
        "guardrail_max_retries: 2",
        12,
        "code.guardrail_max_retries",
        "does nothing without `gates`",
    ),
    ("providers", "    plan: free\n", "", 2, "providers.alpha.plan", "say which plan"),
    (
        "providers",
        "    api_key: ${ALPHA_API_KEY}\n",
        "",
        2,
        "providers.alpha.api_key",
        "",
    ),
    (
        "providers",
        "    base_url: http://127.0.0.1:1\n",
        "",
        11,
        "providers.beta.base_url",
        "a local provider needs it",
    ),
    (
        "providers",
        "    price: {input: 1, output: 2.5}\n",
        "",
        16,
        "deployments.big.price",
        "price unknown: set `price: {input, output}`",
    ),
    # Keys that would go past the guard.
    ("agents", "max_iter: 5", "llm: gpt-4", 14, "coder.llm", "use `tier:`"),
    ("agents", "max_iter: 5", "manager_llm: x", 14, "coder.manager_llm", "`tier:`"),
    (
        "agents",
        "max_iter: 5",
        "function_calling_llm: x",
        14,
        "coder.function_calling_llm",
        "would not pass the quota guard; use `tier:`",
    ),
    ("agents", "max_iter: 5", "memory: true", 14, "coder.memory", "past the quota"),
    ("agents", "max_iter: 5", "knowledge: x", 14, "coder.knowledge", "not allowed"),
    ("agents", "max_iter: 5", "planning: true", 14, "coder.planning", "not allowed"),
    (
        "agents",
        "max_iter: 5",
        "allow_code_execution: true",
        14,
        "coder.allow_code_execution",
        "not allowed",
    ),
    ("tasks", "gates:", "output_file: x #", 12, "code.output_file", "output/<run>/"),
    # YAML itself.
    (
        "agents",
        "  goal: delegate",
        "  role: twice",
        3,
        "role",
        "it is already on line 2",
    ),
    ("tiers", "max_calls: 50", "max_wait: 1", 12, "max_wait", "already on line 11"),
    ("tiers", "  senior: [big]", "\tsenior: [big]", 2, "", "a tab; YAML is indented"),
    ("tiers", "[big]", "[big", 3, "", "broken YAML: "),
    ("tiers", "[big]", "*nobody", 2, "", "whose anchor (&name) is missing"),
    ("tiers", "[big]", "!!python/name:x [big]", 2, "tiers.senior", "a tag"),
    ("tiers", "max_calls: 50", "max_calls: 2026-13-01", 12, "max_calls", "not a valid"),
    ("tiers", "max_calls: 50", "? [a, b]\n: 50", 12, "", "a key must be a word"),
    # Variables.
    (
        "tiers",
        "[big]",
        "['${NOWHERE}']",
        2,
        "tiers.senior[0]",
        "the variable NOWHERE is not set",
    ),
    ("tiers", "[big]", "['${no where}']", 2, "tiers.senior[0]", "${NAME:-default}"),
    (
        "providers",
        "http://127.0.0.1:1",
        "http://h/${ALPHA_API_KEY}",
        13,
        "providers.beta.base_url",
        "${ALPHA_API_KEY} may only be used as `api_key`",
    ),
]


@pytest.mark.parametrize(("file", "old", "new", "line", "key", "message"), MISTAKES)
def test_a_mistake_is_told_where_it_is(
    config: Path, file: str, old: str, new: str, line: int, key: str, message: str
) -> None:
    _change(config, file, old, new)

    found = _mistakes(config)

    assert [
        mistake
        for mistake in found
        if mistake.file == str(config / f"{file}.yaml")
        and (mistake.line, mistake.key) == (line, key)
        and message in mistake.message
    ], "\n".join(map(str, found))


FILE_MISTAKES = [
    (None, None, "file not found"),
    (b"", 1, "the file is empty"),
    (b"# only a comment\n", 1, "the file is empty"),
    (b"- a\n- b\n", 1, "found a list, expected a mapping (key: value)"),
    (b"\njust words\n", 2, "found a text, expected a mapping (key: value)"),
    (b"a: b\nc: caf\xe9\n", 2, "not UTF-8"),
    (b"a: 1\n---\nb: 2\n", 2, "broken YAML"),
    (b"a: \x00\n", None, "broken YAML"),
]


@pytest.mark.parametrize(("content", "line", "message"), FILE_MISTAKES)
@pytest.mark.parametrize("name", ["agents", "tasks", "providers", "tiers"])
def test_a_file_that_cannot_be_read_is_the_only_mistake(
    config: Path, name: str, content: bytes | None, line: int | None, message: str
) -> None:
    path = config / f"{name}.yaml"
    path.unlink()
    if content is not None:
        path.write_bytes(content)

    (found,) = _mistakes(config)

    assert (found.file, found.line, found.key) == (str(path), line, "")
    assert message in found.message


def test_a_directory_in_place_of_a_file_is_a_mistake(config: Path) -> None:
    (config / "tiers.yaml").unlink()
    (config / "tiers.yaml").mkdir()

    (found,) = _mistakes(config)

    assert "cannot be read" in found.message


def test_all_mistakes_of_all_files_are_told_at_once_in_order(config: Path) -> None:
    _change(config, "agents", "role: Engineer", "role: ''")
    _change(config, "agents", "tier: mid", "tier: mind")
    _change(config, "agents", "max_iter: 5", "max_itr: 5")
    _change(config, "tasks", "[design]", "[desing]")
    _change(config, "tasks", "complexity: high", "complexity: hard")
    _change(config, "providers", "class: free", "class: fre")
    _change(config, "providers", "timeout: 5m", "timeout: never")
    _change(config, "tiers", "[big]", "[bug]")
    _change(config, "inputs", "request:", "requst:")

    found = [(Path(m.file).stem, m.line, m.key) for m in _mistakes(config)]

    assert found == [
        ("agents", 7, "coder.role"),
        ("agents", 10, "coder.tier"),
        ("agents", 14, "coder.max_itr"),
        ("inputs", 1, "request"),
        ("inputs", 1, "requst"),
        ("providers", 14, "providers.beta.timeout"),
        ("providers", 23, "deployments.small.class"),
        ("tasks", 10, "code.context[0]"),
        ("tasks", 11, "code.complexity"),
        ("tiers", 2, "tiers.senior[0]"),
    ]


def test_a_mistake_prints_as_file_line_key_and_message(config: Path) -> None:
    _change(config, "agents", "tier: mid", "tier: mind")

    (found,) = _mistakes(config)

    assert str(found) == (
        f"{config}/agents.yaml:10: coder.tier: "
        "unknown tier 'mind'; did you mean 'mid'? allowed: senior, mid"
    )


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("providers", "${ALPHA_API_KEY}", "SECRETVALUE12345"),
        ("providers", "${ALPHA_API_KEY}", "[SECRETVALUE12345]"),
        ("providers", "${ALPHA_API_KEY}", "{a: SECRETVALUE12345}"),
        ("providers", "${ALPHA_API_KEY}", "${ALPHA_API_KEY:-SECRETVALUE12345}"),
        ("providers", "api_key: ${ALPHA_API_KEY}", "apikey: SECRETVALUE12345"),
        ("providers", "api_key: ${ALPHA_API_KEY}", "key: ${ALPHA_API_KEY}"),
        ("providers", "provider: beta", "api_key: SECRETVALUE12345"),
        ("providers", "base_url: http://127.0.0.1:1", "base_url: ${ALPHA_API_KEY}"),
        ("providers", "provider: beta", "provider: ${OTHER}"),
        ("providers", "timeout: 5m", "timeout: ${OTHER}"),
        ("providers", "local: true", "local: ${OTHER}"),
        ("providers", "model: openai/big", "model: openai/${OTHER}\n    x: y"),
        ("providers", "provider: beta", "provider: SECRETVALUE12345"),
        ("providers", "5 concurrent", "${OTHER}"),
        ("tiers", "2 usd/run", "${OTHER}"),
        ("tiers", "2 usd/run", "7 ${OTHER}/run"),
        ("tiers", "[big]", "['${OTHER}']"),
        ("agents", "tier: mid", "tier: ${OTHER}"),
        ("agents", "kind: coding", "kind: ${OTHER}"),
        ("tasks", "[design]", "['${OTHER}']"),
        ("tasks", "process: hierarchical", "process: ${OTHER}"),
    ],
)
def test_no_message_shows_a_key_or_the_value_of_a_variable(
    config: Path, file: str, old: str, new: str
) -> None:
    environ = {"ALPHA_API_KEY": "SECRETVALUE12345", "OTHER": "hiddenvalue"}
    _change(config, file, old, new)

    found = "\n".join(map(str, _mistakes(config, environ)))

    assert f"{file}.yaml:" in found
    assert "SECRETVALUE12345" not in found
    assert "hiddenvalue" not in found


def test_a_key_in_the_yaml_is_refused_without_being_shown(config: Path) -> None:
    _change(config, "providers", "${ALPHA_API_KEY}", "plain-words-key")

    (found,) = _mistakes(config)

    assert (found.line, found.key) == (3, "providers.alpha.api_key")
    assert "write ${ALPHA_API_KEY}" in found.message
    assert "plain" not in found.message


def test_what_looks_like_a_key_is_not_shown_anywhere(config: Path) -> None:
    _change(config, "providers", "provider: beta", "provider: sk-or-v1-0123456789")

    (found,) = _mistakes(config)

    assert "0123456789" not in str(found)
    assert "unknown provider '***'" in found.message


def test_keys_are_not_in_the_representation_of_settings(config: Path) -> None:
    found = load_settings(config, environ={"ALPHA_API_KEY": "SECRETVALUE12345"})

    assert "SECRETVALUE12345" not in repr(found)


def test_variables_are_replaced_with_defaults_and_types(config: Path) -> None:
    _change(config, "tiers", "max_calls: 50", "max_calls: ${CALLS:-70}")
    _change(config, "tiers", "max_wait: 5m", "max_wait: ${WAIT}")
    _change(config, "inputs", "add paging", "'${TEXT:-} pay $${5} and ${CALLS}'")

    found = load_settings(config, environ={"WAIT": "2h", "CALLS": "80", "TEXT": ""})

    assert (found.max_calls, found.max_wait) == (80, 7200.0)
    assert found.inputs is not None
    assert found.inputs.request == "pay ${5} and 80"
    assert load_settings(config, environ={"WAIT": "1", "CALLS": "1"}).max_wait == 1.0


def test_anchors_and_merge_keys_work(config: Path) -> None:
    _change(config, "agents", "coder:\n", "coder: &coder\n")
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


@pytest.mark.parametrize(
    "text", ["  <<: 5\n", "  <<: [5]\n", "  tools: &t [*t]\n", "  <<: &c {<<: *c}\n"]
)
def test_odd_anchors_are_mistakes_and_not_endless(config: Path, text: str) -> None:
    with (config / "agents.yaml").open("a", encoding="utf-8") as file:
        file.write("tester:\n" + text)

    assert _mistakes(config)


def test_sequential_crews_need_no_manager_but_agents(config: Path) -> None:
    _change(config, "agents", "manager:", "boss:")
    _change(config, "tasks", "process: hierarchical", "process: sequential")
    assert load_settings(config, environ={}).process == "sequential"
    _change(config, "tasks", "  agent: coder\ncode", "code")

    (found,) = _mistakes(config)

    assert (found.line, found.key) == (2, "design.agent")
    assert "a sequential process needs it" in found.message


def test_a_manager_alone_has_nobody_to_delegate_to(config: Path) -> None:
    manager = AGENTS[: AGENTS.index("coder:")]
    (config / "agents.yaml").write_text(manager, encoding="utf-8")

    keys = {mistake.key for mistake in _mistakes(config)}

    assert keys == {"manager", "design.agent", "code.agent"}


def test_a_file_without_tasks_is_a_mistake(config: Path) -> None:
    (config / "tasks.yaml").write_text("process: sequential\n", encoding="utf-8")

    (found,) = _mistakes(config)

    assert "there is no task" in found.message


def test_a_run_without_images_keeps_at_least_one_task(config: Path) -> None:
    (config / "tasks.yaml").write_text(
        "look:\n  description: x\n  expected_output: y\n  when: images\n",
        encoding="utf-8",
    )

    (found,) = _mistakes(config)

    assert (found.line, found.key) == (4, "look.when")


ASYNC = "async_execution: true"


@pytest.mark.parametrize(
    ("design", "look", "code", "key", "message"),
    [
        # Two at the end.
        (ASYNC, "", f"agent: other, {ASYNC}", None, ""),
        (
            ASYNC,
            ASYNC,
            f"agent: other, {ASYNC}",
            "code.async_execution",
            "at most one asynchronous task may be at the end",
        ),
        # One needs what is not there yet.
        (ASYNC, "", f"context: [design], {ASYNC}", None, ""),
        (
            ASYNC,
            ASYNC,
            f"context: [design], {ASYNC}",
            "code.context[0]",
            "'design' runs at the same time; put a task that waits between",
        ),
        # One role for two.
        (
            ASYNC,
            ASYNC,
            "",
            "look.agent",
            "this role works on 'design' at the same time",
        ),
        # A task that waits between, but not in every run.
        (
            ASYNC,
            "when: images",
            f"agent: other, {ASYNC}",
            "code.async_execution",
            "in a run without images, at most one asynchronous task",
        ),
    ],
)
def test_asynchronous_tasks_follow_the_rules_of_crewai(
    config: Path, design: str, look: str, code: str, key: str | None, message: str
) -> None:
    with (config / "agents.yaml").open("a", encoding="utf-8") as file:
        file.write("other: {role: Other, goal: x, backstory: y, tier: mid}\n")
    given = {"design": design, "look": look, "code": code}
    entries = [
        f"{name}: {{description: x, expected_output: y"
        f"{'' if 'agent' in more else ', agent: coder'}{', ' * bool(more)}{more}}}\n"
        for name, more in given.items()
    ]
    text = "process: sequential\n" + "".join(entries)
    (config / "tasks.yaml").write_text(text, encoding="utf-8")

    if key is None:
        assert load_settings(config, environ={}).process == "sequential"
    else:
        found = {mistake.key: mistake.message for mistake in _mistakes(config)}
        assert message in found[key]


def test_what_is_not_used_is_no_mistake(config: Path) -> None:
    _change(config, "tiers", "  senior: [big]", "  senior: [big]\n  spare: [own]")

    assert "spare" in load_settings(config, environ={}).tiers


def test_an_unknown_price_is_no_mistake_where_nothing_counts_dollars(
    config: Path,
) -> None:
    _change(config, "providers", "    price: {input: 1, output: 2.5}\n", "")
    _change(config, "tiers", "budgets: 2 usd/run\n", "")

    assert load_settings(config, environ={}).deployments["big"].price is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("limits: 5 concurrent", "limits: 5 usd/day"),
        ("{free: [20 requests/minute]}", "{free: [2 usd/day]}"),
        ("class: free\n", "class: free\n    limits: 2 usd/day\n"),
    ],
)
def test_dollars_of_a_provider_a_class_or_a_deployment_need_a_price(
    config: Path, old: str, new: str
) -> None:
    _change(config, "tiers", "budgets: 2 usd/run\n", "")
    _change(config, "providers", old, new)
    small = "class: free\n    price: {input: 0, output: 0}\n"
    text = (config / "providers.yaml").read_text(encoding="utf-8")
    start = text.index("class: free")
    head, tail = text[:start], text[start:]
    tail = tail.replace("    price: {input: 0, output: 0}\n", "", 1)
    assert small not in head + tail
    (config / "providers.yaml").write_text(head + tail, encoding="utf-8")

    (found,) = _mistakes(config)

    assert found.key == "deployments.small.price"


def test_what_the_yaml_leaves_out_is_taken_from_the_map(config: Path) -> None:
    _change(config, "providers", "openai/big", "anthropic/claude-opus-5")
    _change(config, "providers", "    price: {input: 1, output: 2.5}\n", "")

    found = load_settings(config, environ={}).deployments["big"]

    assert found.price is not None
    assert found.price.input == 5
    assert found.context_window == 1_000_000
    assert found.vision


def test_unknown_placeholders_are_told(config: Path) -> None:
    _change(config, "tasks", "description: code {request}", "description: code {stile}")
    _change(config, "tasks", "expected_output: a design", "expected_output: '{foo}'")
    found = load_settings(config, environ={})
    assert found.inputs is not None

    mistakes = check_placeholders(found, found.inputs)

    assert [(Path(m.file).name, m.line, m.key) for m in mistakes] == [
        ("tasks.yaml", 4, "design.expected_output"),
        ("tasks.yaml", 7, "code.description"),
    ]
    assert "did you mean '{style}'?" in mistakes[1].message
    assert "--input stile=TEXT" in mistakes[1].message
    given = Inputs(request="x", values={"foo": "a", "stile": "b"})
    assert check_placeholders(found, given) == []


def test_json_in_a_description_is_no_placeholder(config: Path) -> None:
    _change(
        config,
        "tasks",
        "description: design {request}",
        """description: '{"a": 1} {}'""",
    )
    found = load_settings(config, environ={})

    assert check_placeholders(found, Inputs(request="x")) == []


@pytest.mark.parametrize("text", ["{0}", "a { b", "a } b", "{", "{3: y}"])
def test_braces_around_no_name_are_left_to_the_text(config: Path, text: str) -> None:
    _change(config, "tasks", "description: design {request}", f"description: '{text}'")
    found = load_settings(config, environ={})

    assert found.tasks["design"].description == text
    assert check_placeholders(found, Inputs(request="x")) == []


def test_an_input_that_no_text_can_ask_for_is_a_mistake(config: Path) -> None:
    found = load_settings(config, environ={})

    (mistake,) = check_placeholders(found, Inputs(request="x", values={"3": "y"}))

    assert mistake.key == "--input 3"
    assert "letters, digits" in mistake.message


def test_an_input_cannot_take_the_name_of_a_given_placeholder(config: Path) -> None:
    found = load_settings(config, environ={})

    (mistake,) = check_placeholders(found, Inputs(request="x", values={"request": "y"}))

    assert mistake.key == "--input request"


def test_the_directory_is_the_argument_the_variable_or_config_here(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    config.rename(other)
    monkeypatch.chdir(tmp_path)

    assert load_settings(str(other), environ={}).config_dir == other
    named = load_settings(environ={"CREW_CONFIG_DIR": "other"})
    assert named.config_dir == Path("other")
    other.rename(config)
    assert load_settings(environ={}).config_dir == Path("config")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    project = Path(__file__).parents[1]
    assert load_settings(environ={}).config_dir == project / "config"


def test_a_missing_directory_is_one_mistake(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ={"CREW_CONFIG_DIR": str(tmp_path / "none")})

    (found,) = caught.value.mistakes
    assert (found.file, found.key) == (str(tmp_path / "none"), "CREW_CONFIG_DIR")


def test_dotenv_is_read_below_the_environment(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(
        "ALPHA_API_KEY=from-file\nCREW_USER=file\nCREW_TEAM\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CREW_USER", "real")

    found = load_settings(config)

    assert found.providers["alpha"].api_key == "from-file"
    assert (found.user, found.team) == ("real", "default")
    assert "ALPHA_API_KEY" not in __import__("os").environ


def test_a_dotenv_that_is_not_utf8_is_a_mistake(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_bytes(b"CREW_USER=\xe9\n")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SettingsError, match="not UTF-8"):
        load_settings(config)


def test_a_user_without_a_name_is_unknown(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nobody)

    assert load_settings(config, environ={}).user == "unknown"


def test_the_state_and_the_store_are_where_the_environment_says(config: Path) -> None:
    found = load_settings(config, environ={"CREW_STATE_DIR": "/var/crew"})
    assert found.state_dir == Path("/var/crew")
    assert found.store_url == "sqlite:////var/crew/quota.db"

    elsewhere = load_settings(config, environ={"CREW_STORE": "redis://h/0"})
    assert elsewhere.store_url == "redis://h/0"


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


def test_a_dotenv_that_cannot_be_read_is_a_mistake_and_not_a_rehearsal(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(
        'A=1\n\nALPHA_API_KEY="sk-unterminated\nB=1\nhidden words\n', encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SettingsError) as caught:
        load_settings(config)

    found = [(Path(one.file).name, one.line) for one in caught.value.mistakes]
    assert found == [(".env", 3), (".env", 5)]
    assert "sk-" not in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_a_directory_called_dotenv_holds_no_variables(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").mkdir()
    monkeypatch.chdir(tmp_path)

    assert load_settings(config).providers["alpha"].api_key is None


def test_a_dotenv_that_may_not_be_opened_is_a_mistake(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").symlink_to(".env")  # a loop: root, too, cannot open it
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(config)


def test_an_unknown_store_is_told_with_the_other_mistakes(config: Path) -> None:
    _change(config, "tiers", "then:", "than:")

    with pytest.raises(SettingsError) as caught:
        load_settings(config, environ={"CREW_STORE": "mysql://:secret@host/1"})

    reported = [str(mistake) for mistake in caught.value.mistakes]
    assert any("CREW_STORE: 'mysql' is not supported" in line for line in reported)
    assert any("than" in line for line in reported)
    assert not any("secret" in line for line in reported)


@pytest.mark.parametrize(
    "url", ["memory:", "redis://host:1/0", "sqlite:////tmp/x.db", "unix:///r.sock"]
)
def test_a_known_store_is_no_mistake(config: Path, url: str) -> None:
    assert load_settings(config, environ={"CREW_STORE": url}).store_url == url


@pytest.mark.parametrize(
    "address",
    [
        "ftp://x y",
        "host/v1",
        "http://",
        "http://a b",
        '"http://a\\tb"',
        "http://a:99999",
        "http://a:b",
        '"http://[a"',
    ],
)
def test_what_is_no_address_is_a_mistake(config: Path, address: str) -> None:
    _change(config, "providers", "http://127.0.0.1:1", address)

    (mistake,) = _mistakes(config)

    assert (mistake.line, mistake.key) == (13, "providers.beta.base_url")
    assert mistake.message.startswith("is no address; allowed: http://HOST")


def test_a_deployment_is_at_its_providers_address(config: Path) -> None:
    found = load_settings(config, environ={}).deployments

    assert found["own"].base_url == "http://127.0.0.1:1"
    assert found["big"].base_url is None

    model = "model: ollama_chat/own\n"
    _change(config, "providers", model, f"{model}    base_url: https://own/v1\n")
    own = load_settings(config, environ={}).deployments["own"]
    assert own.base_url == "https://own/v1"


@pytest.mark.parametrize("limit", ["0 usd/run", "0 requests/day", "0 concurrent"])
def test_a_limit_of_nothing_is_a_mistake(config: Path, limit: str) -> None:
    _change(config, "tiers", "2 usd/run", limit)

    (mistake,) = _mistakes(config)

    assert (mistake.line, mistake.key) == (8, "budgets")
    assert "leave the deployment out of its chains" in mistake.message
