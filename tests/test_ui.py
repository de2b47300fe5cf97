"""The server of `crew ui`: who may ask, what is answered, and how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from crew.cli import main
from crew.cli.browser import opener, shown_in_browser
from crew.cli.ui import write_token
from crew.clock import SystemClock
from crew.errors import SettingsError
from crew.guard import QuotaGuard
from crew.journal import Journal
from crew.journal.alerts import AlertRecord
from crew.progress.events import (
    CallEnded,
    PlannedTask,
    RunBegun,
    SoFar,
    TaskBegun,
    Waiting,
)
from crew.progress.log import EventLog
from crew.runs.directory import Beginning, RunDirectory
from crew.settings import Inputs, Settings
from crew.settings.loader import load_settings
from crew.ui.page import Page
from hangs import HANGS_AFTER
from live_page import TOKEN, Live, live
from pages import CALL, HOSTILE
from small_config import write_files

SECRET = "sk-alpha-0123456789abcdef"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    write_files(tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CREW_CONFIG_DIR", "config")
    monkeypatch.setenv("ALPHA_API_KEY", SECRET)
    return load_settings()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server before the first run."""
    home = tmp_path_factory.mktemp("empty")
    environ = {"CREW_STATE_DIR": str(home / "state"), "ALPHA_API_KEY": SECRET}
    with live(load_settings(write_files(home / "config"), environ=environ)) as opened:
        yield opened


@pytest.fixture(scope="module")
def ask() -> Iterator[httpx.Client]:
    with httpx.Client(verify=False, timeout=HANGS_AFTER) as client:
        yield client


def sections(page: Live, *names: str) -> dict[str, Any]:
    """The documents of these sections, as a page that is opened now gets them."""
    found: dict[str, Any] = {}
    with httpx.stream("GET", page.address("/events"), verify=False) as answer:
        name = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                found[name] = json.loads(line.removeprefix("data: "))["data"]
            if set(names) <= set(found):
                break
    return found


def test_without_the_token_nothing_is_said(ask: httpx.Client, page: Live) -> None:
    for path in ("/", "/events", "/metrics", "/runs/r1", "/nowhere"):
        for token in (None, "", "wrong", TOKEN + "x", TOKEN[:-1], "t\u00f6ken"):
            answer = ask.get(page.address(path, token))

            assert (answer.status_code, answer.content) == (403, b""), (path, token)


def test_the_token_may_stand_in_the_address_or_in_the_header(
    ask: httpx.Client, page: Live
) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}

    assert ask.get(page.address("/metrics")).status_code == 200
    assert ask.get(page.address("/metrics", None), headers=bearer).status_code == 200
    wrong = {"Authorization": "Bearer wrong"}
    assert ask.get(page.address("/metrics"), headers=wrong).status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "evil.example:{port}", "127.0.0.1:1", ""]
)
def test_a_name_that_was_made_to_point_here_is_refused(
    ask: httpx.Client, page: Live, host: str
) -> None:
    answer = ask.get(page.address(), headers={"Host": host.format(port=page.port)})

    assert (answer.status_code, answer.content) == (403, b"")


def test_two_hosts_are_refused(page: Live) -> None:
    request = (
        f"GET /?token={TOKEN} HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n"
        f"Host: localhost:{page.port}\r\nConnection: close\r\n\r\n"
    )

    with socket.create_connection(("127.0.0.1", page.port)) as connection:
        connection.sendall(request.encode())
        answer = connection.makefile("rb").read()

    assert answer.split()[1] in (b"400", b"403")
    assert b"crew" not in answer


def test_localhost_is_this_machine_too(ask: httpx.Client, page: Live) -> None:
    headers = {"Host": f"localhost:{page.port}"}

    assert ask.get(page.address(), headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/", "/events", "/metrics"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_another_origin_is_refused(
    ask: httpx.Client, page: Live, path: str, origin: str
) -> None:
    answer = ask.get(page.address(path), headers={"Origin": origin})

    assert (answer.status_code, answer.content) == (403, b"")


def test_what_is_no_reading_is_refused(ask: httpx.Client, page: Live) -> None:
    own = {"Origin": f"http://127.0.0.1:{page.port}"}
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        for path in ("/", "/events", "/metrics", "/runs/r1"):
            address = page.address(path)

            assert ask.request(method, address).status_code == 403
            assert ask.request(method, address, headers=own).status_code == 405


def test_every_answer_has_the_headers_of_all(ask: httpx.Client, page: Live) -> None:
    for address in (page.address(), page.address("/x"), page.address("/", None)):
        headers = ask.get(address).headers

        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in headers
        assert "server" not in headers
        assert not [name for name in headers if name.startswith("access-control")]


def test_the_page_of_a_run_has_its_own_policy(
    ask: httpx.Client, settings: Settings
) -> None:
    def report(run: str) -> Page | None:
        return Page("<p>page", "default-src 'none'; a") if run == "r1" else None

    with live(settings, report) as page:
        found = ask.get(page.address("/runs/r1"))
        missing = [
            ask.get(page.address(f"/runs/{run}")).status_code
            for run in ("r2", "..%2fr1", "%2e%2e/r1")
        ]

    assert found.text == "<p>page"
    assert found.headers["content-security-policy"] == "default-src 'none'; a"
    assert found.headers["referrer-policy"] == "no-referrer"
    assert missing == [404, 404, 404]


def test_a_failure_says_its_class_and_no_address(
    ask: httpx.Client, settings: Settings
) -> None:
    def report(run: str) -> Page | None:
        raise RuntimeError("quotes the token")

    with live(settings, report) as page:
        answer = ask.get(page.address("/runs/r1"))

    assert (answer.status_code, answer.content) == (503, b"")
    assert page.failed == ["WARNING: /runs/r1: RuntimeError"]


def test_before_the_first_run_everything_is_empty(page: Live) -> None:
    found = sections(
        page, "working", "ended", "limits", "month", "keys", "queue", "notices"
    )

    assert found["working"] == {"runs": []}
    assert found["ended"]["runs"] == []
    assert found["month"]["month"]["calls"] == 0
    assert found["queue"] == {"waiting": [], "waits": [], "in_flight": 0}
    assert [one["state"] for one in found["keys"]["providers"]] == [
        "not tried",
        "not tried",
    ]
    assert found["notices"] == {"alerts": []}
    assert page.failed == []


@pytest.fixture
def journal(settings: Settings) -> Iterator[Journal]:
    path = settings.state_dir / "journal.db"
    with Journal.open(path, SystemClock()) as opened:
        yield opened


def begun(journal: Journal, run: str) -> RunDirectory:
    directory = RunDirectory(Path("output").absolute() / run)
    inputs = Inputs(request=HOSTILE, repositories=())
    directory.begin(Beginning(inputs=inputs, rehearsal=False))
    journal.start_run(run, rehearsal=False, user="u", team="t", output=directory.path)
    return directory


def test_a_run_at_work_shows_its_board_and_its_calls(
    settings: Settings, journal: Journal
) -> None:
    directory, now = begun(journal, "r1"), datetime.now(UTC)
    log = EventLog(directory.events)
    journal.record(replace(CALL, run="r1", task="code", input_tokens=7, reason=HOSTILE))
    so_far, planned = SoFar(seconds=9.0), PlannedTask(name="docs", role="writer")
    for event in (
        RunBegun(tasks=(PlannedTask(name="code", role="coder"), planned)),
        TaskBegun(task="code", role="coder"),
        CallEnded(
            task="code",
            role="coder",
            deployment="glm-free",
            outcome="ok",
            seconds=1.0,
            input_tokens=7,
            output_tokens=0,
            cost_usd=None,
        ),
        Waiting(
            task="code",
            role="coder",
            deployment="big",
            until=now + timedelta(minutes=1),
            seconds=60.0,
            at_most=True,
            reason=HOSTILE,
        ),
    ):
        log(replace(event, run="r1", at=now, so_far=so_far))

    with directory.hold(), live(settings) as page:
        found = sections(page, "working", "queue", "ended")

    (run,) = found["working"]["runs"]
    assert (run["status"], run["calls"], run["input_tokens"]) == ("running", 1, 7)
    code, docs = run["tasks"]
    assert (code["state"], code["deployments"]) == ("at work", ["glm-free"])
    assert code["began_at"] == pytest.approx(now.timestamp(), abs=0.01)
    assert (docs["name"], docs["state"], docs["role"]) == ("docs", "to come", "writer")
    assert [one["run"] for one in found["queue"]["waits"]] == ["r1"]
    assert found["ended"]["runs"] == []
    assert "\x1b" not in code["why"]
    assert "\\x1b[2J" in code["why"]


def test_a_killed_run_is_interrupted_and_a_failed_one_says_why(
    settings: Settings, journal: Journal
) -> None:
    begun(journal, "killed")
    failed = begun(journal, "failed")
    journal.record(replace(CALL, run="failed", outcome="Overloaded"))
    journal.finish_task("failed", "code", "coder", "failed")
    journal.finish_run("failed", "failed")
    failed.write_document({"failures": [{"what": "task", "reason": "gate x refused"}]})

    with live(settings) as page:
        found = sections(page, "working", "ended")

    assert found["working"] == {"runs": []}
    one, other = found["ended"]["runs"]
    assert (one["run"], one["status"], one["failed"]) == ("failed", "failed", 1)
    assert one["why"] == "gate x refused"
    assert [task["state"] for task in one["tasks"]] == ["failed"]
    assert (other["run"], other["status"]) == ("killed", "interrupted")


def test_limits_benches_alerts_and_keys_are_there_and_no_key_is(
    ask: httpx.Client, settings: Settings, journal: Journal
) -> None:
    begun(journal, "r1")
    alpha, now = replace(CALL, run="r1", provider="alpha"), SystemClock().now()
    journal.record(replace(alpha, at=now - 30))
    journal.record(replace(alpha, at=now - 20, outcome="BadKey", detail=SECRET))
    journal.record(replace(alpha, at=now - 10, outcome="BadKey"))
    journal.alerts.add(
        AlertRecord(
            key="k",
            kind="budget",
            text=f"it has {SECRET}",
            raised_at=1.0,
            ended_at=None,
        )
    )
    with closing(QuotaGuard.open(settings)) as guard:
        guard.benches.put("own", seconds=60.0, reason="by hand")
        with guard.lease(tier="mid", input_tokens=1, output_tokens=1):
            pass

    with live(settings) as page:
        found = sections(page, "limits", "keys", "notices", "benches", "month")
        text = ask.get(page.address("/metrics")).text

    nearest = found["limits"]["nearest"][0]
    assert (nearest["pool"], nearest["left"]) == ("class:alpha/free", 19)
    alpha_key, beta_key = found["keys"]["providers"]
    assert (alpha_key["key"], alpha_key["state"]) == ("set", "fails")
    assert alpha_key["since"] == pytest.approx(now - 20)
    assert beta_key["key"] == "needs none"
    assert [one["deployment"] for one in found["benches"]["benches"]] == ["own"]
    assert found["notices"]["alerts"][0]["text"] == "it has ***"
    assert found["month"]["month"]["calls"] == 3
    assert sum(day["calls"] for day in found["month"]["days"]) == 3
    assert SECRET not in json.dumps(found) + text
    assert 'crew_provider_key_failing{provider="alpha"} 1\n' in text


def test_what_cannot_be_read_is_said_and_the_rest_is_there(
    ask: httpx.Client, settings: Settings, journal: Journal
) -> None:
    (settings.state_dir / "quota.db").mkdir()

    with live(settings) as page:
        found = sections(page, "limits", "keys")
        text = ask.get(page.address("/metrics")).text

    assert "quota.db" in found["limits"]["trouble"]
    assert found["keys"]["providers"]
    assert "crew_store_up 0\n" in text


def test_a_stream_hears_of_a_change_and_only_then(
    settings: Settings, journal: Journal
) -> None:
    with (
        live(settings) as page,
        httpx.stream("GET", page.address("/events"), verify=False) as answer,
    ):
        names = (
            line.removeprefix("event: ")
            for line in answer.iter_lines()
            if line.startswith("event: ")
        )
        first = [next(names) for _ in range(8)]
        begun(journal, "r1")
        page.turn()
        changed = next(names)

    assert sorted(first) == sorted(
        ["working", "limits", "queue", "notices", "benches", "month", "keys", "ended"]
    )
    assert changed == "ended"  # nobody holds it: it was interrupted


def test_the_command_prints_one_address_and_ends_at_a_signal(
    settings: Settings,
) -> None:
    program = "import sys; from crew.cli import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", program, "ui", "--no-open"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        events = address.replace("/?", "/events?")
        with httpx.stream("GET", events, verify=False) as answer:
            next(answer.iter_lines())
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=HANGS_AFTER)

    (token,) = re.findall(r"^http://127\.0\.0\.1:\d+/\?token=([\w-]{43})$", address)
    assert process.returncode == 0
    assert token not in out + err
    assert "Traceback" not in err


def test_ctrl_c_ends_the_command_and_prometheus_finds_the_token(
    settings: Settings, tmp_path: Path
) -> None:
    os.mkfifo("token")  # whoever writes it waits for its reader
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    answers: list[int] = []

    def scrape() -> None:
        token = (tmp_path / "token").read_text().strip()
        bearer = {"Authorization": f"Bearer {token}"}
        address = f"http://127.0.0.1:{port}/metrics"
        answers.append(httpx.get(address, headers=bearer, verify=False).status_code)
        os.kill(os.getpid(), signal.SIGINT)

    scraper = Thread(target=scrape)
    scraper.start()
    code = main(["ui", "--no-open", "--port", str(port), "--token-file", "token"])
    scraper.join()

    assert (code, answers) == (0, [200])


def test_the_file_of_the_token_is_its_users(settings: Settings, tmp_path: Path) -> None:
    write_token(tmp_path / "new", "t")
    (tmp_path / "shared").touch(mode=0o640)
    (tmp_path / "shared").chmod(0o640)
    write_token(tmp_path / "shared", "longer")
    write_token(tmp_path / "shared", "t")
    (tmp_path / "link").symlink_to("new")

    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "shared").read_text() == "t\n"
    with pytest.raises(SettingsError, match="--token-file"):
        write_token(tmp_path / "link", "t")


def test_a_port_in_use_is_one_line_and_exit_code_2(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        assert main(["ui", "--no-open", "--port", str(port)]) == 2

    said = capsys.readouterr().err.splitlines()
    assert said == [f"crew: arguments: --port: {port}: Address already in use"]


def test_a_browser_is_started_without_the_token_and_without_keys(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "xdg-open"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nenv > {tmp_path}/env\necho "$@" > {tmp_path}/arg\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("DISPLAY", ":9")
    monkeypatch.setattr(sys, "platform", "linux")
    address = "http://127.0.0.1:1/?token=secret&x=<y>"

    with shown_in_browser(address, settings.state_dir):
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        (file,) = settings.state_dir.glob("ui-*.html")
        text, mode = file.read_text(), file.stat().st_mode & 0o777
    given = (tmp_path / "arg").read_text().strip()
    seen = (tmp_path / "env").read_text()

    assert given == file.absolute().as_uri()
    assert mode == 0o600
    assert "url=http://127.0.0.1:1/?token=secret&amp;x=&lt;y&gt;" in text
    assert SECRET not in seen
    assert "DISPLAY=:9" in seen
    assert not file.exists()


def test_without_a_screen_nothing_is_started() -> None:
    if sys.platform != "darwin":
        assert opener({"PATH": "/usr/bin", "TERM": "xterm"}) is None
