"""The page of `crew ui` in a real browser: Chromium, where it is installed."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chromium import NEEDED, browser, opened, serious
from crew.cli.ui import reports
from crew.clock import SystemClock
from crew.guard import QuotaGuard
from crew.journal import Journal
from crew.journal.alerts import AlertRecord
from crew.progress.events import CheckRan, Event, PlannedTask, RunBegun, TaskBegun
from crew.progress.log import EventLog
from crew.runs.directory import Beginning, RunDirectory
from crew.settings import Inputs, Settings
from crew.settings.loader import load_settings
from live_page import Live, live
from pages import CALL, HOSTILE
from small_config import write_files

__all__ = ["browser"]
pytestmark = NEEDED

BEGUN = RunBegun(request=HOSTILE, tasks=(PlannedTask(name="code", role="coder"),))
FAILED = CheckRan(
    task="code", check="test", passed=False, failed_before=False, seconds=1.0
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    home = tmp_path
    environ = {"CREW_STATE_DIR": str(home / "state"), "ALPHA_API_KEY": "sk-alpha-12345"}
    return load_settings(write_files(home / "config"), environ=environ)


def _shown(browser: Any, server: Live, **options: object) -> tuple[Any, list[str]]:
    own = f"http://127.0.0.1:{server.port}/"
    return opened(browser, server.address(), own, **options)


def _worked(settings: Settings, journal: Journal, run: str) -> RunDirectory:
    """A run with calls, an alert, a bench, and a request that would like to be HTML."""
    directory = RunDirectory(settings.state_dir / "output" / run)
    begin = Beginning(inputs=Inputs(request=HOSTILE, repositories=()), rehearsal=False)
    directory.begin(begin)
    journal.start_run(run, rehearsal=False, user="u", team="t", output=directory.path)
    now = SystemClock().now()
    for outcome in ("ok", "Overloaded", "ok", "BadKey"):
        call = replace(CALL, run=run, at=now, provider="alpha", outcome=outcome)
        journal.record(replace(call, deployment=HOSTILE, role=HOSTILE, reason=HOSTILE))
    journal.alerts.add(
        AlertRecord(key="k", kind="budget", text=HOSTILE, raised_at=now, ended_at=None)
    )
    guard = QuotaGuard.open(settings)
    guard.benches.put("own", seconds=7_200.0, reason=HOSTILE)
    with guard.lease(tier="mid", input_tokens=1, output_tokens=1):
        pass
    guard.close()
    return directory


def _publish(directory: RunDirectory, *events: Event) -> None:
    log = EventLog(directory.events)
    for event in events:
        log(replace(event, run=directory.run, at=datetime.now(UTC)))


def test_the_page_follows_a_run_from_nothing_to_its_report(
    browser: Any, settings: Settings
) -> None:
    with live(settings, partial(reports, settings)) as server:
        page, complaints = _shown(browser, server)
        page.locator("#working", has_text="No run works now").wait_for()
        page.locator("#ended", has_text="No run has ended yet").wait_for()
        with Journal.open(settings.state_dir / "journal.db", SystemClock()) as journal:
            directory = _worked(settings, journal, "r1")
            with directory.hold():
                _publish(directory, BEGUN, TaskBegun(task="code", role="coder"))
                server.turn()
                page.locator("#working .card", has_text="at work").wait_for()
                page.locator("#working a").focus()
                _publish(directory, FAILED)
                server.turn()
                page.locator("#working", has_text="check test FAILED").wait_for()
                focused = page.evaluate("document.activeElement.textContent")
                text = page.locator("body").inner_text()
            journal.finish_task("r1", "code", "coder", "proved")
            journal.finish_run("r1", "done")
        server.turn()
        page.locator("#ended details", has_text="done").locator("summary").click()
        with page.context.expect_page() as waiting:
            page.locator("#ended a", has_text="r1").click()
        report = waiting.value
        heading = report.locator("h1").inner_text()
        report.close()
    page.locator("#line", has_text="The connection is gone").wait_for()
    page.close()

    assert focused == "r1"  # an update does not take it away
    for shown in ("4 calls", "2 failed", "20 requests/minute", "fails since"):
        assert shown in text
    assert "</script><img src=x onerror=alert(1)>\\x1b[2J" in text
    assert heading.split() == ["r1", "done"]
    assert [one for one in complaints if "ERR_" not in one] == []  # the server is gone
    assert server.failed == []


def test_the_page_is_sound_on_a_phone_in_light_and_dark(
    browser: Any, settings: Settings
) -> None:
    with Journal.open(settings.state_dir / "journal.db", SystemClock()) as journal:
        directory = _worked(settings, journal, "r1")
        _worked(settings, journal, "r2")
    _publish(directory, BEGUN, FAILED)
    size = {"width": 360, "height": 740}
    with directory.hold(), live(settings) as server:
        page, complaints = _shown(browser, server, color_scheme="light", viewport=size)
        for shown in ("#working .card", "#month .bars", "#ended .run", "#keys table"):
            page.locator(shown).wait_for()
        for summary in page.query_selector_all("summary"):
            summary.click()
        found = serious(page)
        page.emulate_media(color_scheme="dark")
        found += serious(page)
        width = page.evaluate("document.documentElement.scrollWidth")
        page.close()

    assert found == []
    assert width <= 360
    assert complaints == []
