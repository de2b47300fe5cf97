"""Regressions and decided experiments are alerts: once, everywhere, until they end."""

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from crew.alerts import Alerts
from crew.calls.run import Run
from crew.cli import main
from crew.clock import SystemClock
from crew.progress.progress import Progress
from crew.runs.experiments import news
from crew.settings import ArmSpec, ExperimentSpec
from quality import Day, mostly
from small_config import write_files
from test_rates import attempt

WORSE = [*mostly(0.92, 100), *mostly(0.3, 40)]


class Alerted(Day):
    """A day whose run notes its alerts in the journal, as a real one does."""

    def __init__(self, tmp_path: Path) -> None:
        super().__init__(tmp_path)
        self.run.alerts = self.alerts_of(self.run)

    def alerts_of(self, run: Run) -> Alerts:
        progress = Progress(notices=self.said.append)
        alerts = Alerts(self.config, self.journal, progress, self.clock, run=run.id)
        run.guard.alert = alerts.report
        return alerts


def test_a_regression_is_an_alert_until_it_ends(tmp_path: Path) -> None:
    day = Alerted(tmp_path)

    said = day.tasks(WORSE)

    (found,) = day.journal.regressions.standing()
    (alert,) = day.journal.alerts.open(day.clock.now())
    assert said == [f"ALERT: {alert.text}"]
    assert alert.text.startswith("qwen, coding: .92 -> .")
    assert alert.text.endswith(" tasks; see docs/quality.md, or: crew bench qwen")
    assert (alert.kind, alert.key) == ("regression", found.key)

    day.tasks(mostly(0.95, 60))

    assert day.journal.regressions.standing() == []
    assert day.journal.alerts.open(day.clock.now()) == []


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CREW_CONFIG_DIR", str(write_files(tmp_path / "config")))
    yield


@pytest.mark.usefixtures("config")
def test_status_lists_a_regression_once_and_a_lift_ends_its_alert(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day = Alerted(tmp_path)
    day.tasks(WORSE)
    now = SystemClock().now()
    (found,) = day.journal.regressions.standing()
    day.journal.regressions.end(found, "moved", now)
    moved = day.journal.regressions.add(
        replace(found, deployment="small", at=now, began_at=now, text="small fell")
    )
    assert moved is not None
    (raised,) = day.journal.alerts.open(day.clock.now())
    day.journal.alerts.end(found.key, day.clock.now())
    day.journal.alerts.add(
        replace(raised, key=moved.key, text="small fell", raised_at=now, ended_at=None)
    )

    assert main(["status"]) == 0
    assert capsys.readouterr().out.count("small fell") == 1
    assert main(["status", "--json"]) == 0
    assert capsys.readouterr().out.count("small fell") == 1

    main(["bench", "small"])
    main(["bench", "--lift", "small"])
    capsys.readouterr()

    assert day.journal.regressions.standing() == []
    assert day.journal.alerts.open(SystemClock().now()) == []


def test_a_decided_experiment_is_an_alert_once_for_all_runs(tmp_path: Path) -> None:
    day = Alerted(tmp_path)
    experiment = ExperimentSpec(
        name="usual",
        role="coder",
        arms=(ArmSpec(deployment="one"), ArmSpec(deployment="other")),
        share=Decimal(1),
    )
    rows = [
        attempt(1, run=f"{arm}{n}", experiment="usual", arm=arm, verdict=verdict)
        for n in range(9)
        for arm, verdict in (("one", "passed"), ("other", "failed"))
    ]
    for row in rows:
        day.begin(row.run, tmp_path)
        day.journal.attempts.add(row)
    now, known = day.clock.now(), {"usual": experiment}
    alerts = day.alerts_of(day.run)
    there = Alerts(day.config, day.journal, Progress(), day.clock, run="other8")

    (mine,) = news(day.journal, known, "one8", now)
    (yours,) = news(day.journal, known, "other8", now)

    assert [*news(day.journal, known, "r1", now)] == []  # no attempt of it
    assert [alerts.report(mine), there.report(yours)] == [True, False]
    (noted,) = day.journal.alerts.open(now)
    assert (noted.kind, noted.key) == ("experiment", "experiment:usual:one")
    assert "experiment usual: " in noted.text
    assert "crew report --experiment usual" in noted.text
    assert json.dumps(day.said).count("experiment usual: ") == 1
