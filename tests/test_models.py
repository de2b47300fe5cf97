"""`crew models`: what the keys reach, by the providers' lists and litellm's table."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from building import deployment, provider, settings
from configured import KEY, SECRET
from crew.cli import main
from crew.models import Offer, ask, catalogue
from crew.models.catalogue import matching
from crew.models.names import is_plain, likeliest, line, version
from crew.settings import Settings
from crew.settings import litellm_table as model_map
from hangs import HANGS_AFTER
from scripted import Scripted, serving
from test_emulator_kit import price

TODAY = date(2026, 11, 26)


@pytest.fixture
def gate() -> Iterator[Scripted]:
    with serving() as script:
        yield script


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small table in place of litellm's, whose prices and dates change."""

    def entry(name: str, **facts: object) -> dict[str, object]:
        return {"mode": "chat", "litellm_provider": name, **facts}

    small = {
        "claude-small-5": entry(
            "anthropic",
            input_cost_per_token=1e-6,
            output_cost_per_token=5e-6,
            max_input_tokens=200_000,
            supports_vision=True,
            supports_function_calling=True,
        ),
        "claude-blind-5": entry("anthropic", input_cost_per_token=1e-6),
        "claude-gone-1": entry("anthropic", deprecation_date="2026-01-01"),
        "embedder": {"mode": "embedding", "litellm_provider": "anthropic"},
        "singer": entry("anthropic", supported_output_modalities=["audio"]),
        "ft:claude-mine": entry("anthropic"),
        "groq/openai/gpt-oss-20b": entry(
            "groq", input_cost_per_token=1e-7, output_cost_per_token=3e-7
        ),
    }
    monkeypatch.setattr(model_map, "_table", lambda: small)


def listed(*entries: dict[str, object]) -> tuple[int, object]:
    return 200, {"data": list(entries)}


def offers(made: Settings) -> dict[str, Offer]:
    return {one.model: one for one in catalogue(made, ask(made), TODAY).offers}


# What is known, and who says so.


def test_a_list_goes_before_the_yaml_and_that_before_the_table(
    tmp_path: Path, gate: Scripted
) -> None:
    gate.pages["/v1/models"] = listed(
        {"id": "v/m", "context_length": 9_000, "pricing": {"prompt": "0.000002"}},
        {
            "id": "v/new:free",
            "pricing": {"prompt": "0", "completion": "0"},
            "architecture": {"input_modalities": ["text", "image"]},
            "supported_parameters": ["tools"],
        },
    )
    by = provider("openrouter", base_url=gate.url)
    used = deployment("d", by, model="openrouter/v/m", price=price("1", "2"))

    found = offers(settings([used], tmp_path))

    assert list(found) == ["openrouter/v/m", "openrouter/v/new:free"]
    mine, new = found.values()
    assert (mine.used_as, mine.context_window, mine.price) == (
        ("d",),
        9_000,
        price("1", "2"),
    )
    assert mine.said_by["context_window"] == "list"
    assert mine.said_by["price"] == "yaml"
    assert (new.free, new.vision, new.tools, new.listed) == (True, True, True, True)
    assert "50 a UTC day" in new.limits


def test_without_a_key_it_is_the_table_and_what_the_yaml_uses(tmp_path: Path) -> None:
    by = provider("anthropic", api_key=None)
    used = deployment("d", by, model="anthropic/claude-unheard-6")

    found = offers(settings([used], tmp_path))

    assert sorted(found) == [
        "anthropic/claude-blind-5",
        "anthropic/claude-small-5",
        "anthropic/claude-unheard-6",
    ]
    assert found["anthropic/claude-small-5"].said_by["price"] == "table"
    assert {one.listed for one in found.values()} == {None}


def test_a_provider_without_a_deployment_is_known_by_its_name(tmp_path: Path) -> None:
    made = settings([deployment("d", provider("v", api_key=None))], tmp_path)
    more = provider("anthropic", api_key=None), provider("nobody", api_key=None)
    given = {**made.providers, **{one.name: one for one in more}}

    found = catalogue(
        Settings(**{**_fields(made), "providers": given}), {}, TODAY
    ).offers

    assert {one.place.provider for one in found} == {"v", "anthropic"}


def _fields(made: Settings) -> dict[str, object]:
    return {name: getattr(made, name) for name in made.__dataclass_fields__}


def test_what_is_used_and_no_longer_listed_is_shown(
    tmp_path: Path, gate: Scripted
) -> None:
    gate.pages["/v1/models"] = listed({"id": "other"})
    used = deployment("d", provider("v", base_url=gate.url), model="openai/gone")

    found = offers(settings([used], tmp_path))

    assert {name: one.listed for name, one in found.items()} == {
        "openai/other": True,
        "openai/gone": False,
    }


def test_a_free_plan_holds_until_the_yaml_pays_there(tmp_path: Path) -> None:
    by = provider("groq", api_key=None)
    paid = deployment("d", by, model="groq/x", price=price("1", "1"))
    free = deployment("d", by, model="groq/x")
    model = "groq/openai/gpt-oss-20b"

    assert offers(settings([free], tmp_path))[model].free
    assert "1K requests/day" in offers(settings([free], tmp_path))[model].limits
    assert not offers(settings([paid], tmp_path))[model].free


def test_all_places_are_asked_at_the_same_time(tmp_path: Path) -> None:
    together = threading.Barrier(2)
    with serving() as one, serving() as two:
        for script in (one, two):
            script.hold = partial(together.wait, HANGS_AFTER)
            script.pages["/v1/models"] = listed({"id": "x"})
        made = settings(
            [
                deployment("a", provider("p", base_url=one.url)),
                deployment("b", provider("q", base_url=two.url)),
            ],
            tmp_path,
        )
        answers = ask(made)

    assert [list(probe.models) for probe in answers.values()] == [["x"], ["x"]]


def test_ollamas_models_are_asked_for_what_they_can(
    tmp_path: Path, gate: Scripted
) -> None:
    gate.pages["/v1/api/tags"] = 200, {"models": [{"name": f"m{n}"} for n in range(30)]}
    gate.canned = 200, {"capabilities": ["vision"], "model_info": {}}
    own = provider("o", base_url=gate.url, local=True)
    used = deployment("d", own, model="ollama_chat/m29")

    found = offers(settings([used], tmp_path))

    assert len(found) == 30
    assert found["ollama_chat/m0"].vision is True
    assert len(gate.posted) <= 21


# Finding one.


def test_what_costs_nothing_comes_first_and_then_what_costs_least(
    tmp_path: Path, gate: Scripted
) -> None:
    def entry(name: str, sent: str, window: int) -> dict[str, object]:
        pricing = {"prompt": sent, "completion": sent}
        return {"id": name, "pricing": pricing, "context_length": window}

    gate.pages["/v1/models"] = listed(
        entry("dear", "0.1", 1),
        entry("small:free", "0", 10),
        {"id": "unknown"},
        entry("cheap", "0.000001", 1),
        entry("large:free", "0", 20),
    )
    by = provider("openrouter", base_url=gate.url)
    made = settings([deployment("d", by, model="openrouter/cheap")], tmp_path)

    found = matching(catalogue(made, ask(made), TODAY).offers)

    assert [one.own_id for one in found] == [
        "large:free",
        "small:free",
        "cheap",
        "dear",
        "unknown",
    ]


def test_the_name_of_a_provider_stands_for_what_it_serves(tmp_path: Path) -> None:
    made = settings(
        [
            deployment("a", provider("openai", api_key=None), model="openai/x"),
            deployment("b", provider("groq", api_key=None), model="groq/openai/y"),
        ],
        tmp_path,
    )
    known = catalogue(made, {}, TODAY).offers

    def ids(*words: str) -> list[str]:
        return sorted(one.model for one in matching(known, words))

    assert ids("openai") == ["openai/x"]
    assert ids("openai/") == ["groq/openai/gpt-oss-20b", "groq/openai/y", "openai/x"]
    assert ids("GROQ", "y") == ["groq/openai/y"]
    assert ids("nothing") == []


@pytest.mark.parametrize(
    ("name", "words", "number"),
    [
        ("claude-sonnet-4-5-20250929", ("claude", "sonnet"), (4, 5)),
        ("gpt-4o-2024-08-06", ("gpt", "4o"), ()),
        ("deepseek/deepseek-v4-flash-0731", ("deepseek", "flash"), (4,)),
        ("z-ai/glm-5.2:free", ("glm",), (5, 2)),
        ("openai/gpt-oss-120b", ("gpt", "oss", "120b"), ()),
        ("mistral-small-latest", ("mistral", "small"), ()),
        ("", (), ()),
    ],
)
def test_a_name_has_a_line_and_a_version(
    name: str, words: tuple[str, ...], number: tuple[int, ...]
) -> None:
    assert (line(name), version(name)) == (words, number)


def test_the_highest_version_of_a_line_goes_before_what_looks_alike() -> None:
    names = ["claude-sonnet-5-5", "claude-sonnet-5", "claude-opus-4-5", "x:free"]

    assert likeliest("claude-sonnet-4-5", names) == "claude-sonnet-5-5"
    assert likeliest("claude-sonet-4-5", names) == "claude-sonnet-5-5"
    assert likeliest("unlike-all", names) is None


# The command.


def run(
    capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0
) -> list[str]:
    assert main(["models", *arguments]) == code
    return capsys.readouterr().out.splitlines()


def test_the_command_counts_by_provider_and_lists_by_words(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    server.pages["/v1/models"] = listed({"id": "smith"}, {"id": "robin"})

    counted = run(capsys)
    shown = run(capsys, "robin")
    everything = run(capsys, "--all")

    assert counted[1].split()[:3] == ["one", "(openai)", "5"]
    assert counted[1].endswith("its list")
    assert shown[1].split() == ["?", "?", "openai/robin"]
    assert any("tools *openai/smith" in one for one in everything)
    assert any("NOT LISTED any more; is scribe" in one for one in everything)
    assert max(map(len, [*counted, *shown, *everything])) <= 80
    assert server.requests == []


class Terminal(io.StringIO):
    """What takes the place of a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("options", "lines"), [((), 24), (("--all",), 48)])
def test_a_list_fits_a_terminal_of_24_lines(
    config: Path,
    server: Scripted,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    lines: int,
) -> None:
    server.pages["/v1/models"] = listed(*({"id": f"m{n}"} for n in range(45)))
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("COLUMNS", "80")

    assert main(["models", "m", *options]) == 0

    shown = terminal.getvalue().splitlines()
    assert len(shown) <= lines
    assert ("more: --all, or name more words" in shown[-1]) is not bool(options)


def test_without_a_key_the_command_says_what_it_is(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY)

    shown = run(capsys)

    assert shown[1].endswith(f"{KEY} is not set")
    assert shown[2].startswith("No provider was asked. The models are those in ")


def test_json_has_what_is_known_and_null_for_the_rest(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    server.pages["/v1/models"] = listed({"id": "smith"}, {"id": "robin"})

    document = json.loads("\n".join(run(capsys, "smith", "--tools", "--json")))

    (model,) = document["models"]
    assert (model["model"], model["used_as"]) == ("openai/smith", ["smith"])
    assert (model["input_usd"], model["vision"]) == (1.0, False)
    assert model["retires"] is None
    assert document["providers"][0]["listed"] is True


Answer = Callable[[Scripted], None]


@pytest.mark.parametrize(
    "body",
    [
        {"data": [{"id": "\x1b[2J\u202eevil\nline", "context_length": 10**30}]},
        {"data": [{"id": ["x"]}, 7, None, {"id": "x" * 300}, {"id": {}}]},
        {"data": {"id": "x"}, "models": 3},
        [[[]]],
        {"data": [{"id": "smith", "meta": [], "context_window": True}] * 20_000},
    ],
)
def test_a_hostile_list_breaks_nothing(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str], body: object
) -> None:
    server.pages["/v1/models"] = 200, body

    shown = "\n".join([*run(capsys), *run(capsys, "--all")])
    document = json.loads("\n".join(run(capsys, "--json")))

    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert len(document["models"]) <= 10_000
    assert main(["check", "--online"]) == 0


def test_a_key_that_is_refused_is_said_and_not_shown(
    config: Path, server: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    server.pages["/v1/models"] = 401, {"error": {"message": f"bad key {SECRET}"}}

    shown = "\n".join([*run(capsys), *run(capsys, "--json")])

    assert "its list" not in shown
    assert SECRET not in shown


@pytest.mark.parametrize(
    "name",
    ["a b", "a: b", "${KEY}", "a#b", "a:", "", "-a", "a\nb", "x" * 300, "ä", "{a}"],
)
def test_a_name_that_yaml_would_read_otherwise_is_not_plain(name: str) -> None:
    assert not is_plain(name)
    assert is_plain("openrouter/v/m-1.5:free")
