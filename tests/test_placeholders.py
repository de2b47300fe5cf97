"""Placeholders in the texts of roles and tasks: what is filled, escaped and missing."""

from pathlib import Path

import pytest

from crew.settings import Inputs
from crew.settings.loader import load_settings
from crew.settings.placeholders import check_placeholders, fill
from small_config import change, mistakes_of, write_files


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_files(tmp_path / "config")


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("GET /users/{{id}}", "GET /users/{id}"),
        ("{{topic}} is {topic}", "{topic} is {id} AI"),
        ("{{{topic}}}", "{{id} AI}"),
        ('{"a": {"b": 1}}', '{"a": {"b": 1}}'),
        ("{{ name }}", "{{ name }}"),
        ("{{}} {} { x", "{{}} {} { x"),
    ],
)
def test_a_text_is_filled_once_and_double_braces_stay(text: str, filled: str) -> None:
    assert fill(text, {"topic": "{id} AI", "id": "wrong"}) == filled


@pytest.mark.parametrize("process", ["hierarchical", "sequential"])
def test_a_role_may_hold_a_placeholder_in_both_processes(
    config: Path, process: str
) -> None:
    change(config, "tasks", "process: hierarchical", f"process: {process}")
    change(config, "agents", "role: Engineer", "role: '{language} engineer'")
    found = load_settings(config, environ={})

    given = Inputs(request="x", values={"language": "Python"})
    assert check_placeholders(found, given) == []
    (mistake,) = check_placeholders(found, Inputs(request="x"))
    assert (mistake.line, mistake.key) == (7, "coder.role")


def test_roles_that_become_one_by_an_input_are_a_mistake(config: Path) -> None:
    change(config, "agents", "role: Manager", "role: '{a} lead'")
    change(config, "agents", "role: Engineer", "role: '{b}  LEAD'")
    found = load_settings(config, environ={})

    different = Inputs(request="x", values={"a": "Java", "b": "Go"})
    assert check_placeholders(found, different) == []
    (mistake,) = check_placeholders(
        found, Inputs(request="x", values={"a": "go", "b": "Go"})
    )

    assert (mistake.line, mistake.key) == (7, "coder.role")
    assert "'manager'" in mistake.message


def test_an_unknown_name_in_braces_is_a_mistake_that_names_the_escape(
    config: Path,
) -> None:
    change(config, "tasks", "design {request}", "'GET /users/{id}'")
    found = load_settings(config, environ={})

    (mistake,) = check_placeholders(found, Inputs(request="x"))

    assert mistake.key == "design.description"
    assert "write {{id}}" in mistake.message
    change(config, "tasks", "{id}", "{{id}}")
    found = load_settings(config, environ={})
    assert check_placeholders(found, Inputs(request="x")) == []


def test_an_input_in_double_braces_only_would_be_lost_and_is_a_mistake(
    config: Path,
) -> None:
    change(config, "tasks", "design {request}", "on {{style}}")
    found = load_settings(config, environ={})
    given = Inputs(request="x", values={"style": "terse"})

    (mistake,) = check_placeholders(found, given)

    assert mistake.key == "design.description"
    assert "write {style}, and {{{style}}} for it in braces" in mistake.message
    assert check_placeholders(found, Inputs(request="x")) == []
    change(config, "tasks", "code {request}", "code in {style}")
    found = load_settings(config, environ={})
    assert check_placeholders(found, given) == []


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("2026", "2026"),
        ("1.50", "1.50"),
        ("0x1F", "0x1F"),
        ("true", "true"),
        ("No", "No"),
        ("2026-11-26", "2026-11-26"),
        ("2026-13-45", "2026-13-45"),
        ("12:30:00", "12:30:00"),
        ("''", ""),
        ("[red, 3, false]", "red, 3, false"),
        ("${YEAR}", "2027"),
    ],
)
def test_an_input_is_the_text_as_it_is_written(
    config: Path, written: str, text: str
) -> None:
    block = f"values:\n  style: {written}"
    change(config, "inputs", "values: {style: terse}", block)

    found = load_settings(config, environ={"YEAR": "2027"})

    assert found.inputs is not None
    assert found.inputs.values == {"style": text}


@pytest.mark.parametrize("name", ["agents", "tasks", "providers", "tiers", "inputs"])
def test_a_key_with_x_is_a_place_for_anchors(config: Path, name: str) -> None:
    path = config / f"{name}.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(f"x-any: &any\n  - {{odd: true}}\n{text}", encoding="utf-8")

    found = load_settings(config, environ={})

    assert list(found.roles) == ["manager", "coder"]
    assert list(found.tasks) == ["design", "code"]


def test_a_role_takes_over_what_an_anchor_holds(config: Path) -> None:
    path = config / "agents.yaml"
    text = path.read_text(encoding="utf-8").replace("  tier: mid\n", "  <<: *own\n")
    head = "x-own: &own {tier: senior, verbose: true, kind: review}\n"
    path.write_text(head + text, encoding="utf-8")

    coder = load_settings(config, environ={}).roles["coder"]

    assert (coder.tier, coder.kind) == ("senior", "coding")
    assert coder.options["verbose"] is True


def test_nothing_but_anchors_is_a_mistake(config: Path) -> None:
    (config / "agents.yaml").write_text("x-a: &a {tier: mid}\n", encoding="utf-8")

    assert any("nothing but" in mistake.message for mistake in mistakes_of(config))


@pytest.mark.parametrize(
    ("file", "first", "twin"),
    [
        ("agents", "Gärtner", "Ga\u0308rtner"),
        ("agents", "Scribe", "scribe"),
        ("tasks", "Plan", "plan"),
    ],
)
def test_twins_of_a_name_are_a_mistake(
    config: Path, file: str, first: str, twin: str
) -> None:
    entries = {
        "agents": "{{role: r{0}, goal: g, backstory: b, tier: mid}}",
        "tasks": "{{description: d{0}, expected_output: e, agent: coder}}",
    }
    path = config / f"{file}.yaml"
    more = [
        f"{name}: {entries[file].format(n)}" for n, name in enumerate((first, twin))
    ]
    path.write_text(path.read_text("utf-8") + "\n".join(more), encoding="utf-8")

    mistakes = mistakes_of(config)

    last = len(path.read_text("utf-8").splitlines())
    assert [mistake.line for mistake in mistakes] == [last]


def test_a_name_is_the_same_however_its_accents_are_encoded(config: Path) -> None:
    change(config, "agents", "coder:", "\u00e9diteur:")
    text = (config / "tasks.yaml").read_text(encoding="utf-8")
    text = text.replace("agent: coder", "agent: e\u0301diteur")
    (config / "tasks.yaml").write_text(text, encoding="utf-8")

    assert load_settings(config, environ={}).tasks["code"].agent == "\u00e9diteur"
