"""Keys that fail, deployments that are gone, allowances that will not last: alerts,
once, until they end."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from configured import KEY, SECRET, configure
from crew.cli import main
from scripted import Scripted

Run = Callable[[], tuple[int, str]]


@pytest.fixture
def run(config: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the crew; returns the exit code and all that it printed."""

    def made() -> tuple[int, str]:
        code = main(["run", "Add pages"])
        shown = capsys.readouterr()
        return code, shown.out + shown.err

    return made


@pytest.fixture
def alerts(config: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """The texts of the alerts that `crew status` lists."""

    def listed() -> list[str]:
        assert main(["status", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)["alerts"]
        assert main(["status"]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        texts = [one["text"] for one in found]
        assert all(text in shown for text in texts)
        return texts

    return listed


def test_a_key_that_is_refused_is_an_alert_until_it_works(
    server: Scripted, run: Run, alerts: Callable[[], list[str]], tmp_path: Path
) -> None:
    server.brain = lambda request: "401"

    code, first = run()
    again = run()[1]

    text = f"the key of one fails: {KEY} was refused (401); check it"
    assert code == 75
    assert f"ALERT: {text}" in first
    assert "ALERT" not in again
    assert alerts() == [text]
    assert SECRET not in first
    for path in (tmp_path / ".crew").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()

    server.brain = lambda request: "done"
    code, shown = run()

    assert code == 0
    assert "answers again; its alert is over" in shown
    assert alerts() == []


def test_another_key_is_another_event(
    server: Scripted,
    run: Run,
    alerts: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.brain = lambda request: "401"
    run()
    monkeypatch.setenv(KEY, "sk-another-0123456789")

    assert alerts() == []
    assert "ALERT" in run()[1]
    assert len(alerts()) == 1


def test_a_deployment_that_is_gone_is_an_alert_until_it_serves_or_leaves(
    server: Scripted,
    run: Run,
    alerts: Callable[[], list[str]],
    config: Path,
) -> None:
    configure(config, server.url, spare=True)
    server.replies["thinker"] = ["404"]

    code, first = run()
    again = run()[1]

    assert code == 0
    (text,) = alerts()
    assert text.startswith("thinker is gone: openai/thinker is ")
    _, _, end = first.partition("Open:")
    assert f"ALERT: {text}" in end
    assert "ALERT" not in again

    providers = config / "providers.yaml"
    before = providers.read_text(encoding="utf-8")
    providers.write_text(before.replace("openai/thinker", "openai/heir"))
    assert alerts() == []
    providers.write_text(before)
    server.replies["thinker"] = ["done"]
    run()
    assert alerts() == []


def test_an_allowance_that_will_not_last_is_an_alert_once_in_its_window(
    server: Scripted, run: Run, alerts: Callable[[], list[str]], config: Path
) -> None:
    configure(config, server.url, limits=["20 requests/day"])

    shown = [run()[1] for _ in range(3)]

    # Three calls each; five make a rate.
    assert ["will not last" in one for one in shown] == [False, True, False]
    (text,) = alerts()
    assert text.startswith(
        "provider:one: 20 requests/day will not last: 30% is used, and at this rate it "
        "is empty at "
    )


def test_what_lasts_is_no_alert(
    server: Scripted, run: Run, alerts: Callable[[], list[str]], config: Path
) -> None:
    # A run's pace would empty it within the day, but it has only begun.
    configure(config, server.url, limits=["30 requests/day", "20 requests/hour"])

    for _ in range(2):
        assert "ALERT" not in run()[1]

    assert alerts() == []
