"""Alerts: reported once, noted for everybody, and sent without disturbing a run."""

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from crew.alerts import Alert, Alerts
from crew.alerts.delivery import Delivery
from crew.cli.app import main
from crew.clock import ManualClock, SystemClock
from crew.journal import Journal
from crew.journal.alerts import AlertRecord
from crew.progress.events import AlertRaised, Event
from crew.progress.progress import Progress
from crew.settings import Settings
from crew.settings.alerts import AlertSettings
from crew.settings.loader import load_settings
from small_config import change, mistakes_of, write_files

RECORD = AlertRecord(
    key="k", kind="budget", text="<!channel> & co", raised_at=0.0, ended_at=None
)


def alert(**given: object) -> Alert:
    values = {"kind": "budget", "key": "k", "text": "80 % is used", "at": 100.0}
    return Alert(**(values | given))  # type: ignore[arg-type]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(write_files(tmp_path / "config"), environ={})


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.db", ManualClock()) as opened:
        yield opened


@contextmanager
def webhook(answer: Callable[[socket.socket, int], None]) -> Iterator[tuple[str, list]]:
    """A server of one's own that takes each request whole, and answers as it likes."""
    got: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                taken, _ = listening.accept()
            except OSError:
                return
            with taken:
                raw = b""
                while not raw.endswith(b"}"):
                    raw += taken.recv(65_536)
                got.append(raw)
                answer(taken, len(got))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/services/T0/S3CRET?x=1", got
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


def says(status: str, *more: str) -> Callable[[socket.socket, int], None]:
    head = "\r\n".join([f"HTTP/1.1 {status}", *more, "Content-Length: 0", "", ""])
    return lambda taken, count: taken.sendall(head.encode())


def sent(
    settings: AlertSettings, *, seconds: float = 5.0, record: AlertRecord = RECORD
) -> list[str]:
    """Send one alert; the notices that came of it."""
    notices: list[str] = []
    delivery = Delivery(settings, SystemClock(), notices.append, seconds=seconds)
    delivery.send(record, "run-1")
    delivery.close()
    return notices


def test_an_event_is_reported_once_until_it_ends(
    settings: Settings, journal: Journal
) -> None:
    events: list[Event] = []
    clock = ManualClock()
    here = Alerts(settings, journal, Progress(listeners=[events.append]), clock)
    there = Alerts(settings, journal, Progress(), clock)

    found = [here.report(alert()), here.report(alert()), there.report(alert())]
    there.end("k")
    found.append(here.report(alert(at=clock.now() + 1)))

    assert found == [True, False, False, True]
    assert [type(event) for event in events] == [AlertRaised, AlertRaised]


def test_an_event_with_an_end_is_reported_again_after_it(
    settings: Settings, journal: Journal
) -> None:
    alerts = Alerts(settings, journal, Progress(), ManualClock())

    found = [alerts.report(alert(at=at, until=at + 50)) for at in (100, 149, 150)]

    assert found == [True, False, True]
    assert [one.raised_at for one in journal.alerts.open(160)] == [150]
    assert journal.alerts.open(200) == []


def test_a_rehearsal_notes_nothing(settings: Settings, journal: Journal) -> None:
    lines: list[str] = []
    played = replace(settings, rehearsal=True)
    alerts = Alerts(played, journal, Progress(notices=lines.append), ManualClock())

    assert [alerts.report(alert()), alerts.report(alert())] == [True, False]
    assert lines == ["ALERT: 80 % is used"]
    assert journal.alerts.open(0) == []


def test_the_webhook_gets_json_that_slack_takes() -> None:
    with webhook(says("200 OK")) as (address, got):
        notices = sent(AlertSettings(webhook=address))

    head, _, body = got[0].partition(b"\r\n\r\n")
    assert notices == []
    assert head.startswith(b"POST /services/T0/S3CRET?x=1 HTTP/1.1\r\n")
    assert b"content-type: application/json" in head.lower()
    assert json.loads(body) == {
        "text": "crew: &lt;!channel&gt; &amp; co",
        "alert": {
            "kind": "budget",
            "key": "k",
            "text": "<!channel> & co",
            "raised_at": "1970-01-01T00:00:00Z",
            "run": "run-1",
        },
    }


def drips(taken: socket.socket, count: int) -> None:
    try:
        while True:
            taken.sendall(b"H")
            threading.Event().wait(0.05)
    except OSError:
        pass


@pytest.mark.parametrize(
    ("answer", "reason", "tries"),
    [
        (says("302 Found", "Location: http://127.0.0.1:1/"), "a redirect (302)", 1),
        (says("404 Not Found"), "status 404", 1),
        (says("503 Busy"), "status 503", 1),
        (lambda taken, count: taken.sendall(b"SSH-2.0\r\n"), "no answer in HTTP", 1),
        (drips, "no answer within 0 s", 1),
    ],
)
def test_a_webhook_that_fails_is_one_notice_without_its_address(
    answer: Callable[[socket.socket, int], None], reason: str, tries: int
) -> None:
    with webhook(answer) as (address, got):
        notices = sent(AlertSettings(webhook=address), seconds=0.3)

    assert len(got) == tries
    assert len(notices) == 1
    assert notices[0].startswith(f"WARNING: the webhook of `alerts` failed: {reason}")
    assert "S3CRET" not in notices[0]


def test_the_command_gets_the_text_and_json_and_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONE_API_KEY", "sk-secret")
    out = tmp_path / "out"
    script = (
        "import json, os, sys; json.dump([sys.argv[1:], json.load(sys.stdin), "
        f"sorted(os.environ)], open({str(out)!r}, 'w'))"
    )
    command = (sys.executable, "-c", script, "crew")

    notices = sent(AlertSettings(command=command), record=replace(RECORD, text="-x"))

    arguments, document, variables = json.loads(out.read_text())
    assert notices == []
    assert arguments == ["crew", " -x"]
    assert (document["text"], document["run"]) == ("-x", "run-1")
    assert "ONE_API_KEY" not in variables


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (("/nowhere/at-all",), "No such file or directory"),
        (("sh", "-c", "exit 3"), "exit code 3"),
        (("sh", "-c", "sleep 60 & sleep 60"), "took more than 0 s"),
    ],
)
def test_a_command_that_fails_is_one_notice(
    command: tuple[str, ...], reason: str
) -> None:
    notices = sent(AlertSettings(command=command), seconds=0.3)

    assert notices == [f"WARNING: the command of `alerts` failed: {reason}"]


def test_the_yaml_says_where_alerts_go_and_the_address_is_a_secret(
    tmp_path: Path,
) -> None:
    config = write_files(tmp_path / "config")
    lines = "alerts: {webhook: '${HOOK}', command: [notify-send, crew]}\nmax_calls: 50"
    change(config, "tiers", "max_calls: 50", lines)
    address = "https://hooks.example.com/services/T0/abcdefghi"

    found = load_settings(config, environ={"HOOK": address})

    assert found.alerts.webhook == address
    assert found.alerts.command == ("notify-send", "crew")
    assert "abcdefghi" not in found.secrets.masked(f"it is {address}") + repr(found)


@pytest.mark.parametrize(
    ("written", "key", "message"),
    [
        ("{webhook: 'https://a.example/x'}", "alerts.webhook", "is a secret; put it"),
        ("{webhook: '${HOOK}'}", "alerts.webhook", "the value of ${HOOK} does not fit"),
        ("{webhook: 'http://a.example/'}", "alerts.webhook", "is no address of a web"),
        ("{webhook: 'http://u:p@[::1]/'}", "alerts.webhook", "holds a login"),
        ("{command: []}", "alerts.command", "is empty"),
        ("{webhok: x}", "alerts.webhok", "unknown key"),
        ("3", "alerts", "found 3, expected a mapping"),
    ],
)
def test_a_mistake_in_alerts_is_found_at_its_line(
    tmp_path: Path, written: str, key: str, message: str
) -> None:
    config = write_files(tmp_path / "config")
    change(config, "tiers", "max_calls: 50", f"alerts: {written}\nmax_calls: 50")

    (mistake,) = mistakes_of(config, {"HOOK": "ftp://x/y"})

    assert (mistake.line, mistake.key) == (12, key)
    assert mistake.message.startswith(message)


def test_status_lists_the_open_alerts(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = SystemClock()
    with Journal.open(tmp_path / ".crew" / "journal.db", clock) as journal:
        for number in range(7):
            made = replace(RECORD, key=f"{number}", text=f"event {number}")
            journal.alerts.add(made)
        journal.alerts.end("6", 1.0)

    assert main(["status"]) == 0
    shown = capsys.readouterr().out
    assert main(["status", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)

    assert [f"event {n}" in shown for n in range(7)] == [False, *[True] * 5, False]
    assert "and 1 older alerts (--all)" in shown
    assert len(document["alerts"]) == 6
    assert document["alerts"][0]["text"] == "event 5"
