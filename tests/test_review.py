"""People mark answers without knowing who wrote them, and no answer twice."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from after_runs import git, repository
from crew.cli import main
from crew.clock import SystemClock
from crew.journal import Journal
from crew.runs.directory import Beginning, RunDirectory
from crew.settings import Inputs
from crew.workspace import Workspace
from crew.workspace.attempts import keep
from quality import ATTEMPT
from small_config import write_files

Crew = Callable[..., tuple[int, str, str]]


class Office:
    """A state directory with runs of which answers are there."""

    def __init__(self, tmp_path: Path) -> None:
        self.output, self.clock = tmp_path / "output", SystemClock()
        self.journal = Journal.open(tmp_path / ".crew" / "journal.db", self.clock)

    def answer(
        self, run: str, text: str = "Done.", *, rehearsal: bool = False, **fields: Any
    ) -> RunDirectory:
        """A run with one task that is done."""
        directory = RunDirectory(self.output / run)
        status = fields.pop("status", "proved")
        directory.begin(
            Beginning(inputs=Inputs(request="Add pages"), rehearsal=rehearsal)
        )
        directory.write_result("code", text)
        self.journal.start_run(
            run, rehearsal=rehearsal, user="ada", team="core", output=directory.path
        )
        made = replace(ATTEMPT, run=run, task="code", at=self.clock.now(), **fields)
        self.journal.attempts.add(made)
        self.journal.finish_task(run, "code", "coder", status)
        return directory


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


@pytest.fixture
def crew(
    tmp_path: Path,
    office: Office,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Crew:
    directory = write_files(tmp_path / "config")
    monkeypatch.setenv("CREW_STATE_DIR", str(tmp_path / ".crew"))
    monkeypatch.setenv("CREW_USER", "ada")
    monkeypatch.setenv("ALPHA_API_KEY", "sk-alpha-0123456789")

    def call(*arguments: str, typed: str = "") -> tuple[int, str, str]:
        path = tmp_path / "typed"
        path.write_text(typed, encoding="utf-8")
        with path.open(encoding="utf-8") as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            code = main(["--config", str(directory), *arguments])
        found = capsys.readouterr()
        return code, found.out, found.err

    return call


def sampled(crew: Crew, *arguments: str) -> list[dict[str, Any]]:
    code, out, _ = crew("review", "--json", *arguments)
    assert code == 0
    found: list[dict[str, Any]] = json.loads(out)["answers"]
    return found


def test_the_sample_says_what_was_asked_and_not_who_answered(
    crew: Crew, office: Office
) -> None:
    office.answer("r1", "As Qwen-2 of small-fast, I say openai/small did it.")

    (answer,) = sampled(crew)

    assert answer["request"] == "Add pages"
    assert answer["asked"] == "code Add pages"
    assert (answer["task"], answer["kind"], answer["complexity"]) == (
        "code",
        "coding",
        "high",
    )
    assert answer["result"] == "As Qwen-2 of small-fast, I say [model] did it."
    assert "qwen" not in json.dumps({**answer, "result": ""})


def test_every_deployment_kind_and_complexity_has_its_share(
    crew: Crew, office: Office
) -> None:
    for n in range(12):
        office.answer(f"big-{n}", f"from big {n}", deployment="big")
    office.answer("small-1", "from small", deployment="small")
    office.answer("docs-1", "from docs", deployment="big", kind="documentation")

    found = [one["result"] for one in sampled(crew, "--n", "4")]

    assert len(found) == 4
    assert {"from small", "from docs"} < set(found)


def test_what_is_marked_is_not_asked_again(
    crew: Crew, office: Office, tmp_path: Path
) -> None:
    for n in range(3):
        office.answer(f"r{n}", f"text {n}")

    code, out, _ = crew("review", typed="4\nshort\ns\nq\n")
    assert code == 0
    assert "Answer 1 of 3: code (coding, high)" in out
    assert out.endswith("1 marks are kept; see crew report --marks\n")

    (left,) = sampled(crew)
    assert left["result"] in out
    _, out, _ = crew("review", typed="5\n\n")
    assert "Answer 1 of 1" in out
    assert crew("review")[1].startswith("There is no answer left to mark")
    marks = office.journal.marks.since(0.0)
    assert sorted(one.mark for one in marks) == [0, 4, 5]


def test_the_end_of_the_input_keeps_what_was_marked(crew: Crew, office: Office) -> None:
    for n in range(3):
        office.answer(f"r{n}")

    code, _, _ = crew("review", typed="2\nwrong\n")

    assert code == 0
    assert [one.mark for one in office.journal.marks.since(0.0)] == [2]
    assert len(sampled(crew)) == 2


def test_somebody_else_is_asked_too(
    crew: Crew, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.answer("r1")
    crew("review", typed="5\n\n")
    monkeypatch.setenv("CREW_USER", "grace")

    assert len(sampled(crew)) == 1


def test_failed_rehearsed_and_cleaned_answers_are_left_out(
    crew: Crew, office: Office
) -> None:
    office.answer("r1", status="failed")
    office.answer("r2", rehearsal=True)
    gone = office.answer("r3")
    (gone.path / "code.md").unlink()

    assert sampled(crew) == []


def test_the_last_attempt_is_the_one_that_answered(crew: Crew, office: Office) -> None:
    office.answer("r1", deployment="small", verdict="failed")
    office.journal.attempts.add(
        replace(ATTEMPT, run="r1", task="code", number=2, at=office.clock.now())
    )
    crew("review", typed="5\n\n")

    (mark,) = office.journal.marks.since(0.0)

    assert mark.deployment == "qwen"


def test_the_diff_of_the_task_is_shown(
    crew: Crew, office: Office, tmp_path: Path
) -> None:
    shop = repository(tmp_path / "shop")
    directory = office.answer("r1")
    workspace = Workspace.prepare(
        directory.workspace, "r1", Inputs(request="x", repositories=(str(shop),))
    )
    place = directory.workspace / "shop"
    (place / "a.txt").write_text("one\n\x1b[2Jtwo\n", encoding="utf-8")
    keep(workspace, "r1", "code", 1)

    (answer,) = sampled(crew)
    _, out, _ = crew("review", typed="q\n")

    assert "-two\n+\x1b[2Jtwo\n" in answer["diff"]
    assert "+\\x1b[2Jtwo" in out
    assert git(shop, "status", "--porcelain") == ""


def test_a_long_answer_is_cut_for_a_person(crew: Crew, office: Office) -> None:
    office.answer("r1", "line\n" * 5_000 + "x" * 100_000)

    _, out, _ = crew("review", typed="q\n")

    assert "... 4,881 more lines" in out
    assert len(out) < 5_000


def test_marks_come_from_a_file_all_or_none(
    crew: Crew, office: Office, tmp_path: Path
) -> None:
    for n in range(2):
        office.answer(f"r{n}")
    one, other = (found["id"] for found in sampled(crew))
    path = tmp_path / "marks.json"

    path.write_text(json.dumps([{"id": one, "mark": 4}, {"id": other, "mark": 6}]))
    code, _, err = crew("review", "--marks", str(path))
    assert (code, office.journal.marks.since(0.0)) == (2, [])
    assert "entry 2: found 6 as mark, allowed: 1 to 5" in err

    path.write_text(
        json.dumps(
            {"marks": [{"id": one, "mark": 4, "why": "key sk-alpha-0123456789"}]}
        )
    )
    assert crew("review", "--marks", str(path), "--json")[1] == '{"kept": 1}\n'
    assert crew("review", "--marks", str(path))[1] == "0 marks are kept\n"
    (mark,) = office.journal.marks.since(0.0)
    assert (mark.mark, mark.why) == (4, "key ***")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "Expecting property name"),
        ('"4"', "found '4', expected a list"),
        ("[4]", "entry 1: found 4, expected id, mark and why alone"),
        ('[{"id": "none", "mark": 4}]', "entry 1: no answer has the id 'none'"),
        ("[" * 100_000, "--marks"),
    ],
)
def test_a_mistake_in_the_marks_is_found(
    crew: Crew, office: Office, text: str, said: str
) -> None:
    office.answer("r1")

    code, out, err = crew("review", "--marks", "-", typed=text)

    assert (code, out) == (2, "")
    assert said in err


def test_the_report_has_means_with_intervals(crew: Crew, office: Office) -> None:
    for n, mark in enumerate((5, 4, 5, 4, 2)):
        office.answer(f"r{n}", deployment="qwen" if mark > 3 else "glm")
    answers = {one.run: one for one in office.journal.marks.answered(0.0)}
    typed = [{"id": one["id"], "mark": 5, "why": "clear"} for one in sampled(crew)]
    crew("review", "--marks", "-", typed=json.dumps(typed))

    code, out, _ = crew("report", "--marks")
    document = json.loads(crew("report", "--marks", "--json")[1])

    assert (code, len(answers)) == (0, 5)
    rows = {one["deployment"]: one for one in document["marks"]}
    assert rows["qwen"]["mean"]["value"] == 5 and rows["qwen"]["mean"]["n"] == 4
    assert rows["qwen"]["mean"]["low"] < 4.5
    assert rows["glm"]["mean"] == {"value": 5, "low": 1, "high": 5, "n": 1}
    assert rows["qwen"]["good"]["value"] == 1
    assert "5, clear" in out


def test_without_marks_the_report_says_how_to_get_some(
    crew: Crew, office: Office
) -> None:
    assert crew("report", "--marks")[1].endswith("see crew review.\n")
