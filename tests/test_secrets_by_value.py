"""A key of the configuration is masked by its value, whatever its shape, wherever a
text goes; and what a model wrote is shown with its escapes visible."""

import base64
import json
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from urllib.parse import quote

import pytest

from configured import KEY, configure
from crew import kickoff
from crew.cli import main
from crew.texts.masking import MASK, NO_WORD, Secrets
from scripted import Scripted, serving

KEYS = {
    "short": "sk-1234",
    "passphrase": "correct horse battery staple",
    "hex": "00deadbeefcafe1234567890abcdef99",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3In0.dozjgNryP4J3jVmNHl0w5N_X",
    "words": "my-own-gateway-key",
    "digits": "4815162342",
    "six": "abc123",
    "quotes": "a\"b'c\\d/e+f=g",
    "unicode": "schlüssel-größe",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "base64": base64.b64encode(b"any carnal pleasure.").decode(),
    "percent": "100%sure&more",
    "angle": "<key>&value",
}


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as script:
        script.brain = lambda request: f"{request['model']} did the work."
        yield script


def forms(key: str) -> list[str]:
    return [
        key,
        json.dumps(key)[1:-1],
        json.dumps(json.dumps(key))[3:-3],
        quote(key),
        quote(key, safe=""),
        base64.b64encode(key.encode()).decode().rstrip("="),
    ]


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_secret_is_masked_in_each_of_its_forms(key: str) -> None:
    secrets = Secrets(frozenset([key]))

    for form in forms(key):
        assert secrets.masked(f"denied: {form}!") == f"denied: {MASK}!", form
        assert secrets.masked(form.upper() if form.isascii() else form) == MASK


def test_half_of_a_long_key_is_masked_too() -> None:
    key = KEYS["jwt"]

    assert Secrets(frozenset([key])).masked(f"bad key {key[:50]}") == f"bad key {MASK}"


def test_a_secret_of_five_characters_is_not_masked() -> None:
    secrets = Secrets(frozenset(["abcde", ""]))

    assert secrets.masked("abcde") == "abcde"
    assert repr(Secrets(frozenset(["sk-very-secret"]))).count("secret") == 0


def everything_kept(top: Path) -> bytes:
    return b"".join(path.read_bytes() for path in top.rglob("*") if path.is_file())


def absent(key: str, shown: str, kept: bytes) -> bool:
    return not any(form in shown or form.encode() in kept for form in forms(key))


FAILURES = [
    (401, "Incorrect API key provided: {}"),
    (400, "The request with {} is odd"),
    (500, "no way with {}"),
    (403, "{}"),
]


@pytest.mark.parametrize(
    ("key", "failure"), zip(KEYS.values(), cycle(FAILURES), strict=False), ids=KEYS
)
def test_no_key_that_a_provider_echoes_is_kept_or_shown(
    server: Scripted,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    key: str,
    failure: tuple[int, str],
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("CREW_STATE_DIR", ".state")
    monkeypatch.setenv(KEY, key)
    bounds = "max_wait: 0s\nmax_calls: 3"
    config = configure(tmp_path / "config", server.url, tiers=bounds)
    status, said = failure[0], failure[1].format(key)
    server.canned = status, {"error": {"message": said, "code": said, "type": said}}

    codes = [
        main([*("--config", str(config)), *command])
        for command in (
            ["run", "Add pages", "--json"],
            ["run", "Add pages"],
            ["report", "--json"],
            ["status", "--json"],
            ["check", "--online"],
        )
    ]

    shown = capfd.readouterr()
    assert codes[0] != 0
    assert absent(key, shown.out + shown.err, everything_kept(project))


@pytest.mark.parametrize("key", [KEYS["short"], KEYS["passphrase"], KEYS["jwt"]])
def test_no_key_that_a_model_answers_is_kept_or_shown(
    server: Scripted,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    key: str,
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("CREW_STATE_DIR", ".state")
    monkeypatch.setenv("CREW_CONFIG_DIR", "config")
    monkeypatch.delenv(KEY, raising=False)
    config = configure(project / "config", server.url)
    agents = config / "agents.yaml"
    text = agents.read_text("utf-8").replace("tier:", "verbose: true, tier:")
    agents.write_text(text, encoding="utf-8")
    (config / ".env").write_text(f"{KEY}='{key}'\n", encoding="utf-8")
    server.brain = lambda request: f"The key is {key} and the work is done."

    code = main(["run", f"Use {key} for it"])
    code += main(["report", "--json"])

    (config / ".env").unlink()
    shown = capfd.readouterr()
    assert code == 0
    assert "and the work is done" in shown.out
    if len(key) >= NO_WORD:  # what CrewAI keeps, and what models are asked
        assert absent(key, json.dumps(server.requests), everything_kept(tmp_path))
    assert absent(key, shown.out + shown.err, everything_kept(project))


ESCAPES = "\x1b[2J\x1b]0;owned\x07\u202egnp.exe\x9b31m red\rover"


@pytest.mark.parametrize("verbose", ["true", "false"])
def test_escapes_of_a_model_reach_no_terminal(
    server: Scripted,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    verbose: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY, "sk-1234")
    monkeypatch.setenv("FORCE_COLOR", "1")
    config = configure(tmp_path / "config", server.url)
    agents = config / "agents.yaml"
    text = agents.read_text("utf-8").replace("tier:", f"verbose: {verbose}, tier:")
    agents.write_text(text, encoding="utf-8")
    server.brain = lambda request: f"Look: {ESCAPES} done."

    code = main(["--config", str(config), "run", "Add pages"])

    shown = capfd.readouterr()
    assert code == 0
    for stream in (shown.out, shown.err):
        assert not set(stream) & set("\x1b\x07\u202e\x9b\r")
    assert r"\x1b[2J" in shown.out
    assert (r"\x1b[2J" in shown.err) == (verbose == "true")


def test_a_verbose_script_shows_no_escapes_either(
    server: Scripted,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY, "sk-1234")
    config = configure(tmp_path / "config", server.url)
    agents = config / "agents.yaml"
    text = agents.read_text("utf-8").replace("tier:", "verbose: true, tier:")
    agents.write_text(text, encoding="utf-8")
    server.brain = lambda request: f"Look: {ESCAPES} sk-1234 done."

    result = kickoff(request="Add pages", config=config)

    shown = capfd.readouterr()
    assert r"\x1b[2J" in shown.out
    assert not set(shown.out + shown.err) & set("\x1b\x07\u202e\x9b\r")
    assert "sk-1234" not in shown.out + shown.err + result.raw


def test_what_is_printed_as_json_stays_json(
    server: Scripted,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY, 'sk-"1234"')
    config = configure(tmp_path / "config", server.url)
    server.brain = lambda request: 'a \x7f and \x1b[2J and sk-"1234"'

    main(["--config", str(config), "run", "Add pages", "--json"])

    assert (
        json.loads(capfd.readouterr().out)["result"] == f"a \x7f and \x1b[2J and {MASK}"
    )


def test_a_key_that_is_a_name_of_the_yaml_is_no_secret(
    server: Scripted,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY, "architect")
    config = configure(tmp_path / "config", server.url)

    main(["--config", str(config), "run", "Add pages", "--json"])

    calls = json.loads(capfd.readouterr().out)["calls"]
    assert calls[0]["role"] == "architect"


def test_a_wrong_configuration_shows_no_key_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(KEY, "sk-1234")
    config = configure(tmp_path / "config", "http://127.0.0.1:1")
    with (config / "tiers.yaml").open("a", encoding="utf-8") as file:
        file.write("sk-1234: \x1b\n")

    assert main(["--config", str(config), "check"]) == 2

    shown = capfd.readouterr().err
    assert "sk-1234" not in shown
    assert "\x1b" not in shown
