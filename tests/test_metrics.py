"""`/metrics`: what Prometheus reads is what the journal says."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families as parsed

from crew.clock import SystemClock
from crew.guard import QuotaGuard
from crew.journal import CallRecord, Journal, Sums, Tally
from crew.settings.loader import load_settings
from crew.ui import call_metrics
from crew.ui.call_metrics import OTHER, call_families
from crew.ui.exposition import text
from crew.ui.metrics import metrics
from crew.ui.runs import Runs
from crew.ui.sources import Sources
from crew.ui.tallies import Tallies
from pages import CALL, HOSTILE, calls
from small_config import change, write_files

NOW = 1_795_000_000.0


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[Sources]:
    config = write_files(tmp_path / "config")
    change(config, "tiers", "budgets: 2 usd/run", "budgets: [2 usd/run, 10 usd/day]")
    environ = {"CREW_STATE_DIR": str(tmp_path / "state"), "ALPHA_API_KEY": "k" * 20}
    opened = Sources(load_settings(config, environ=environ), SystemClock())
    yield opened
    opened.close()


@pytest.fixture
def journal(sources: Sources) -> Iterator[Journal]:
    with Journal.open(sources.journal_path, sources.clock) as opened:
        for run in ("r1", "r2"):
            started = {"user": "u", "team": "t", "output": Path(run)}
            opened.start_run(run, rehearsal=run == "r2", **started)  # type: ignore[arg-type]
        yield opened


class Scraper:
    """Asks as Prometheus does, again and again."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._tallies, self._runs = Tallies(sources), Runs(sources)

    def scrape(self) -> dict[str, Metric]:
        text = metrics(self._sources, self._tallies, self._runs)
        return {one.name: one for one in parsed(text)}


def sums(family: Metric, /, **labels: str) -> float:
    return sum(
        float(one.value)
        for one in family.samples
        if labels.items() <= one.labels.items()
    )


def test_nothing_is_said_to_be_saved_against_an_unknown_price(
    sources: Sources, journal: Journal
) -> None:
    (call,) = calls(1)
    for price in (Decimal("0.5"), None):
        journal.record(replace(call, outcome="ok", senior_usd=price))

    found = Scraper(sources).scrape()

    assert sums(found["crew_cost_all_senior_usd"]) == 0.5
    assert sums(found["crew_unknown_all_senior_costs"]) == 1
    assert "crew_saved_usd" not in found


def test_counters_equal_the_journals_sums(sources: Sources, journal: Journal) -> None:
    recorded = [
        replace(one, cached_tokens=one.input_tokens // 3, senior_usd=Decimal("0.017"))
        for one in calls(300)
    ]
    scraper, done = Scraper(sources), list[CallRecord]()
    for part in (recorded[:100], [], recorded[100:101], recorded[101:]):
        for call in part:
            journal.record(call)
            journal.record(replace(call, run="r2"))  # a rehearsal does not count
        done += part
        found = scraper.scrape()

        if not done:
            continue
        answers = [one for one in done if one.ok]
        assert sums(found["crew_calls"]) == len(done)
        assert sums(found["crew_calls"], outcome="ok") == len(answers)
        assert sums(found["crew_failures"]) == len(done) - len(answers)
        for name in ("input_tokens", "output_tokens", "cached_tokens"):
            for role in ("coder", None):
                own = [one for one in done if role in (None, one.role)]
                expected = sum(getattr(one, name) for one in own)
                labels = {} if role is None else {"role": role}
                assert sums(found[f"crew_{name}"], **labels) == expected, name
        known = sum(one.cost_usd or 0 for one in done)
        senior = sum(one.senior_usd or 0 for one in answers)
        assert sums(found["crew_cost_usd"]) == pytest.approx(float(known))
        assert sums(found["crew_cost_all_senior_usd"]) == pytest.approx(float(senior))
        assert sums(found["crew_saved_usd"]) == pytest.approx(float(senior - known))
        unknown = sum(one.cost_usd is None for one in done)
        assert sums(found["crew_unknown_costs"]) == unknown
        durations = {
            suffix: sum(
                float(one.value)
                for one in found["crew_call_duration_seconds"].samples
                if one.name.endswith(suffix)
            )
            for suffix in ("_sum", "_count")
        }
        assert durations["_count"] == len(done)
        assert durations["_sum"] == pytest.approx(sum(one.seconds for one in done))


def test_labels_are_escaped_and_name_no_run_and_no_task(
    sources: Sources, journal: Journal
) -> None:
    hostile = 'a"b\\c\nd{e="f"} 1\n# TYPE x counter'
    journal.record(replace(CALL, deployment=hostile, role=HOSTILE, task=hostile))

    found = Scraper(sources).scrape()

    (sample,) = found["crew_calls"].samples
    assert sample.labels["deployment"] == hostile
    assert "\x1b" not in sample.labels["role"]
    assert "x" not in found
    known = {"deployment", "provider", "role", "outcome", "tier", "kind"}
    known |= {"pool", "limit", "metric"}
    for metric in found.values():
        for one in metric.samples:
            assert set(one.labels) <= known


def test_limits_are_there_in_their_own_units(
    sources: Sources, journal: Journal
) -> None:
    with (
        closing(QuotaGuard.open(sources.settings)) as guard,
        guard.lease(tier="senior", input_tokens=1_000, output_tokens=10) as lease,
    ):
        lease.settle(input_tokens=400_000, output_tokens=40_000)

    found = Scraper(sources).scrape()

    money = {"metric": "usd", "limit": "10 usd/day"}
    assert sums(found["crew_limit_used"], **money) == pytest.approx(0.5)
    assert sums(found["crew_limit_left"], **money) == pytest.approx(9.5)
    assert sums(found["crew_limit_used_ratio"], **money) == pytest.approx(0.05)
    assert sums(found["crew_store_up"]) == 1
    assert sums(found["crew_running_runs"]) == 2  # only their scripts know better
    assert sums(found["crew_role_info"], role="coder", tier="mid") == 1
    assert sums(found["crew_provider_available"], provider="alpha") == 1


def test_a_journal_that_somebody_replaced_is_read_anew(sources: Sources) -> None:
    scraper = Scraper(sources)
    for count in (3, 2):
        with Journal.open(sources.journal_path, sources.clock) as journal:
            journal.start_run(
                "r1", rehearsal=False, user="u", team="t", output=Path("r1")
            )
            for _ in range(count):
                journal.record(CALL)

        assert sums(scraper.scrape()["crew_calls"]) == count

        for path in sources.journal_path.parent.glob("journal.db*"):
            path.unlink()

    assert "crew_calls" not in scraper.scrape()


def test_rows_that_were_removed_count_no_longer_once_new_ones_take_their_place(
    sources: Sources, journal: Journal
) -> None:
    scraper = Scraper(sources)
    for _ in range(3):
        journal.record(CALL)
    scraper.scrape()
    with closing(sqlite3.connect(sources.journal_path)) as file:
        file.execute("DELETE FROM call")
        file.commit()
    journal.record(CALL)

    assert sums(scraper.scrape()["crew_calls"]) == 1


def test_the_number_of_series_ends_somewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(call_metrics, "MOST_SERIES", 2)

    def tally(role: str, first: int) -> Tally:
        return Tally(
            provider="p",
            deployment="d",
            role=role,
            outcome="ok",
            first=first,
            last=first,
            at=NOW,
            sums=Sums(calls=1),
        )

    roles = [tally(f"role-{number}", number) for number in (3, 1, 2, 4)]
    (found, *_) = parsed(text(call_families(roles), str))

    assert [one.labels["role"] for one in found.samples] == ["role-1", "role-2", OTHER]
    assert [one.value for one in found.samples] == [1, 1, 2]
