"""`crew report` as a page, as CSV, and over a stretch of time."""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from html import unescape
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest

from crew.cli import main
from crew.clock import ManualClock, SystemClock
from crew.journal import Journal, MarkRecord
from crew.reports.history import history, percentile
from pages import ATTEMPT, CALL, HOSTILE, NOW, calls, written
from small_config import write_files

RECORDED = calls(500)


class _Parsed(HTMLParser):
    """The elements of a page, its texts, and the JSON that it embeds."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.data: str = ""
        self._in: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in.append(dict(attrs).get("id") or "")

    def handle_data(self, data: str) -> None:
        if self._in and self._in[-1]:
            name = self._in[-1]
            self.texts.setdefault(name, data)
            if name == "crew-data":
                self.data += data


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A configuration, and a journal with a run of 500 calls."""
    write_files(tmp_path / "config")
    monkeypatch.setenv("CREW_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    state = tmp_path / "state"
    monkeypatch.setenv("CREW_STATE_DIR", str(state))
    written(state, tmp_path / "output", RECORDED)
    yield tmp_path


def test_the_page_of_a_run_has_the_figures_of_the_journal(at_home: Path) -> None:
    assert main(["report", "r1", "--html", "run.html"]) == 0
    page = Path("run.html").read_text()
    parsed = _Parsed(page)
    data = json.loads(parsed.data)

    assert parsed.texts["input-tokens"] == (
        f"{sum(one.input_tokens for one in RECORDED):,}"
    )
    assert parsed.texts["output-tokens"] == (
        f"{sum(one.output_tokens for one in RECORDED):,}"
    )
    bars = [one for tag, one in parsed.elements if "data-call" in one]
    assert len(bars) == len(RECORDED) == len(data["calls"])
    assert sum(one["input_tokens"] for one in data["calls"]) == sum(
        one.input_tokens for one in RECORDED
    )
    assert data["version"] == 1
    assert len(page) < 1_000_000
    assert Path("run.html").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "arguments", [["r1"], ["r1", "--with-texts"], ["--since", "52w"]]
)
def test_what_others_wrote_stays_text(at_home: Path, arguments: list[str]) -> None:
    assert main(["report", *arguments, "--html", "page.html"]) == 0
    page = Path("page.html").read_text()
    parsed = _Parsed(page)

    assert {tag for tag, _ in parsed.elements}.isdisjoint({"img", "iframe", "object"})
    assert [one for tag, one in parsed.elements if tag == "script"] == [
        {"type": "application/json", "id": "crew-data"},
        {},
    ]
    assert "\x1b" not in page
    assert "\u202e" not in page
    outside = {"src", "href", "action", "formaction", "srcset", "background"}
    links = [one[name] for _, one in parsed.elements for name in outside & one.keys()]
    assert set(links) <= {"#main", "data:,"}


def test_results_are_on_the_page_only_where_they_are_asked_for(at_home: Path) -> None:
    found = at_home / "output" / "r1" / "run.json"
    document = json.loads(found.read_text())
    document["result"] = document["tasks"][0]["result"] = "the text of a model"
    found.write_text(json.dumps(document))
    main(["report", "r1", "--html", "without.html"])
    main(["report", "r1", "--html", "with.html", "--with-texts"])

    assert "the text of a model" not in Path("without.html").read_text()
    assert "the text of a model" in Path("with.html").read_text()


def test_a_key_is_on_no_page(at_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-or-v1-0123456789abcdef<&>0123456789"
    monkeypatch.setenv("ALPHA_API_KEY", key)
    found = at_home / "output" / "r1" / "run.json"
    document = json.loads(found.read_text())
    document["request"] = f"with {key}"
    document["notices"] = [f"it said {key}"]
    found.write_text(json.dumps(document))
    main(["report", "r1", "--html", "run.html"])

    assert "0123456789abcdef" not in Path("run.html").read_text()


METRICS = {
    # What it costs.
    "daily spend over all providers": "Daily spend",
    "cost per task": "Cost per task",
    "use of the free tiers, by calls": "Free tiers: calls",
    "use of the free tiers, by money": "Free tiers: money",
    "what was saved": "Saved",
    # How well it goes.
    "success rate by model and complexity": "Success by model, kind and complexity",
    "answers' quality by people's samples": "Quality of answers by people's marks",
    "error rates": "Error rate",
    "errors by class": "Errors",
    "effectiveness of fallbacks": "Effectiveness of fallbacks",
    "comparisons against a baseline": "Experiments",
    # How fast it goes.
    "response time by provider": "Response time and availability by provider",
    "throughput": "Throughput",
    "availability": "Response time and availability by deployment",
}
"""Each metric that a person watches a crew by, and its name on the page."""


def test_each_metric_is_on_the_page_by_its_name(at_home: Path) -> None:
    with Journal.open(at_home / "state" / "journal.db", ManualClock(NOW)) as journal:
        tried = {"experiment": "cheaper", "task": "note", "at": NOW}
        for arm, number in (("glm-free", 1), ("claude-opus", 2)):
            made = replace(ATTEMPT, **tried, run="r1", arm=arm, number=number)
            journal.attempts.add(made)
        journal.finish_task("r1", "note", "coder", "proved")
        journal.marks.add(
            MarkRecord(
                run="r1",
                task="code",
                user="ana",
                at=NOW,
                deployment="glm-free",
                kind="coding",
                complexity="low",
                mark=4,
                why="",
            )
        )
    assert main(["report", "--since", "52w", "--html", "history.html"]) == 0
    page = unescape(Path("history.html").read_text())
    heads = dict(re.findall(r"<h2[^>]*>([^<]+)</h2>(.*?)</section>", page, re.DOTALL))
    facts = dict(re.findall(r"<dt>([^<]+)</dt><dd[^>]*>([^<]+)</dd>", page))

    for metric, name in METRICS.items():
        assert name in heads or name in facts, metric
        assert facts.get(name) != "unknown", metric
        assert name in facts or "<td" in heads[name] or "<svg" in heads[name], metric
    assert "not decided" in heads["Experiments"]


def test_a_run_shows_its_limits_with_their_resets(at_home: Path) -> None:
    found = at_home / "output" / "r1" / "run.json"
    document = json.loads(found.read_text())
    document["limits"] = [
        {
            "pool": "provider:anthropic",
            "limit": "50 requests/minute",
            "used": 50,
            "reserved": 0,
            "left": 0,
            "learned": None,
            "resets_at": "2026-11-23T20:46:10+00:00",
        }
    ]
    found.write_text(json.dumps(document))
    why = "claude-opus: 50 requests/minute (provider:anthropic); opens 2026-11-23 20:46"
    with Journal.open(at_home / "state" / "journal.db", ManualClock(NOW)) as journal:
        journal.record(replace(CALL, reason=why, at=NOW))
    assert main(["report", "r1", "--html", "run.html"]) == 0
    page = Path("run.html").read_text().partition("During the run</h3>")[2]
    during, _, after = page.partition("At the end of the run</h3>")

    assert "<td>2026-11-23 20:46</td><td>swap to glm-free, 1 call</td>" in during
    assert "<td>2026-11-23T20:46:10+00:00</td>" in after


def test_csv_has_each_call_and_no_formula(
    at_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Journal.open(at_home / "state" / "journal.db", ManualClock(NOW)) as journal:
        journal.record(replace(CALL, reason="=HYPERLINK(1)", at=NOW))
    assert main(["report", "r1", "--csv"]) == 0
    rows = list(csv.DictReader(StringIO(capsys.readouterr().out)))

    assert len(rows) == len(RECORDED) + 1
    assert rows[-1]["reason"] == "'=HYPERLINK(1)"
    assert sum(int(row["input_tokens"]) for row in rows) == sum(
        one.input_tokens for one in RECORDED
    )


def test_a_stretch_counts_its_own_calls_alone(
    at_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--since", "52w", "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert main(["report", "--since", "52w"]) == 0
    text = capsys.readouterr().out

    assert whole["calls"] == len(RECORDED)
    assert whole["input_tokens"] == sum(one.input_tokens for one in RECORDED)
    assert whole["unknown_costs"] == sum(one.cost_usd is None for one in RECORDED)
    assert whole["tasks"] == {"proved": 1}
    assert sum(day["calls"] for day in whole["days"]) == len(RECORDED)
    assert whole["success"] == [
        {
            "deployment": "glm-free",
            "kind": "coding",
            "complexity": "low",
            "attempts": 1,
            "passed": 0,
            "rate": 0.0,
        }
    ]
    assert max(len(line) for line in text.splitlines()) <= 100
    assert main(["report", "--since", "1m", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["calls"] == 0


def test_the_shares_are_those_of_a_sum_by_hand(tmp_path: Path) -> None:
    recorded = [
        replace(CALL, at=NOW - 10, seconds=2.0),
        replace(CALL, at=NOW - 9, seconds=4.0, senior_usd=Decimal("0.03")),
        replace(
            CALL,
            at=NOW - 8,
            deployment="claude-opus",
            provider="anthropic",
            cost_usd=Decimal("0.06"),
            senior_usd=Decimal("0.06"),
        ),
        replace(CALL, at=NOW - 7, outcome="TimedOut", cost_usd=Decimal(0)),
    ]
    written(tmp_path, tmp_path / "output", recorded)
    with Journal.open(tmp_path / "journal.db", ManualClock(NOW)) as journal:
        journal.start_run("x", rehearsal=True, user="", team="", output=tmp_path)
        journal.record(replace(CALL, run="x", at=NOW - 5))
        found = history(journal.stretch(NOW - 3700, NOW + 1))

    assert (found.calls, found.failed) == (4, 1)
    assert found.free_calls == pytest.approx(2 / 3)
    assert found.free_usd == pytest.approx(0.4)
    assert found.cost == Decimal("0.06")
    assert found.saved == Decimal("0.4")
    assert found.cost_per_task == Decimal("0.06")
    glm, opus = found.deployments
    assert (glm.name, glm.calls, glm.answered) == ("glm-free", 3, 2)
    assert (glm.median_seconds, glm.slow_seconds) == (2.0, 4.0)
    assert glm.available == pytest.approx(2 / 3)
    assert opus.available == 1.0
    assert found.busiest == 4
    assert [(one.kind, one.rate) for one in found.success] == [("coding", 0.0)]
    assert ATTEMPT.deployment == found.success[0].deployment


def test_a_price_of_the_senior_tier_that_nobody_knows_is_null(
    at_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Journal.open(at_home / "state/journal.db", SystemClock()) as journal:
        journal.record(replace(CALL, at=SystemClock().now(), senior_usd=None))

    assert main(["report", "--since", "1d"]) == 0
    shown = capsys.readouterr().out
    assert "all on the senior tier: unknown; saved unknown" in shown
    assert main(["report", "--since", "1d", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["cost_all_senior_usd"] is None
    assert document["days"][-1]["senior_usd"] is None


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([], 0.5) is None
    assert percentile([3.0], 0.95) == 3.0
    assert percentile([float(one) for one in range(1, 101)], 0.95) == 95.0
    assert percentile([1.0, 2.0], 0.5) == 1.0


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["r1", "--since", "7d"], "RUN"),
        (["--month", "--since", "7d"], "--month"),
        (["--month", "--why", "code"], "--why"),
        (["--month", "--with-texts"], "--with-texts"),
        (["--html", "r1/config/x/y.html", "nothing"], "RUN"),
        (["--csv", "--json"], "--csv"),
        (["--month", "--csv", "--json"], "--csv"),
        (["--why", "code", "--csv"], "--csv"),
        (["--html", "page.html", "--json"], "--html"),
    ],
)
def test_what_does_not_go_together_is_refused(
    at_home: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    word: str,
) -> None:
    assert main(["report", *arguments]) == 2
    assert word in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_one_line(
    at_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("file").write_text("")
    assert main(["report", "r1", "--html", "file/run.html"]) == 2
    shown = capsys.readouterr().err
    assert "--html" in shown
    assert HOSTILE not in shown
