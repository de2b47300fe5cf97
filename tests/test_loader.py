"""Every mistake in the YAML is told with its file, line, key and what is allowed."""

from pathlib import Path

import pytest

from small_config import change, mistakes_of, write_files


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_files(tmp_path / "config")


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
        "unknown key 'cached'; did you mean 'cached_input'? allowed: input, output, "
        "cached_input, cache_write",
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
    ("inputs", "{style: terse}", "{style: {}}", 3, "values.style", "expected a text"),
    ("inputs", "{style: terse}", "{style: [[]]}", 3, "values.style", "a list in the"),
    ("inputs", "{style: terse}", "{style: }", 3, "values.style", "found nothing"),
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
    (
        "agents",
        "max_iter: 5",
        "memory: true",
        14,
        "coder.memory",
        "it needs embeddings",
    ),
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
    change(config, file, old, new)

    found = mistakes_of(config)

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

    (found,) = mistakes_of(config)

    assert (found.file, found.line, found.key) == (str(path), line, "")
    assert message in found.message


def test_a_directory_in_place_of_a_file_is_a_mistake(config: Path) -> None:
    (config / "tiers.yaml").unlink()
    (config / "tiers.yaml").mkdir()

    (found,) = mistakes_of(config)

    assert "cannot be read" in found.message


def test_all_mistakes_of_all_files_are_told_at_once_in_order(config: Path) -> None:
    change(config, "agents", "role: Engineer", "role: ''")
    change(config, "agents", "tier: mid", "tier: mind")
    change(config, "agents", "max_iter: 5", "max_itr: 5")
    change(config, "tasks", "[design]", "[desing]")
    change(config, "tasks", "complexity: high", "complexity: hard")
    change(config, "providers", "class: free", "class: fre")
    change(config, "providers", "timeout: 5m", "timeout: never")
    change(config, "tiers", "[big]", "[bug]")
    change(config, "inputs", "request:", "requst:")

    found = [(Path(m.file).stem, m.line, m.key) for m in mistakes_of(config)]

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
    change(config, "agents", "tier: mid", "tier: mind")

    (found,) = mistakes_of(config)

    assert str(found) == (
        f"{config}/agents.yaml:10: coder.tier: "
        "unknown tier 'mind'; did you mean 'mid'? allowed: senior, mid"
    )


@pytest.mark.parametrize(
    "text", ["  <<: 5\n", "  <<: [5]\n", "  tools: &t [*t]\n", "  <<: &c {<<: *c}\n"]
)
def test_odd_anchors_are_mistakes_and_not_endless(config: Path, text: str) -> None:
    with (config / "agents.yaml").open("a", encoding="utf-8") as file:
        file.write("tester:\n" + text)

    assert mistakes_of(config)


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
    change(config, "tiers", "budgets: 2 usd/run\n", "")
    change(config, "providers", old, new)
    small = "class: free\n    price: {input: 0, output: 0}\n"
    text = (config / "providers.yaml").read_text(encoding="utf-8")
    start = text.index("class: free")
    head, tail = text[:start], text[start:]
    tail = tail.replace("    price: {input: 0, output: 0}\n", "", 1)
    assert small not in head + tail
    (config / "providers.yaml").write_text(head + tail, encoding="utf-8")

    (found,) = mistakes_of(config)

    assert found.key == "deployments.small.price"


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
    change(config, "providers", "http://127.0.0.1:1", address)

    (mistake,) = mistakes_of(config)

    assert (mistake.line, mistake.key) == (13, "providers.beta.base_url")
    assert mistake.message.startswith("is no address; allowed: http://HOST")


@pytest.mark.parametrize("limit", ["0 usd/run", "0 requests/day", "0 concurrent"])
def test_a_limit_of_nothing_is_a_mistake(config: Path, limit: str) -> None:
    change(config, "tiers", "2 usd/run", limit)

    (mistake,) = mistakes_of(config)

    assert (mistake.line, mistake.key) == (8, "budgets")
    assert "leave the deployment out of its chains" in mistake.message
