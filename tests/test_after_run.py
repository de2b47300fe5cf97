"""What a run says at its end, and what it leaves: commits, rehearsals, stops."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from after_runs import KEY, git, repository, run, state
from crew.cli import main
from crew.reports.summary import open_lines, proof_lines
from crew.runs.messages import SUBJECT_CHARACTERS, message, subject
from crew.settings import Inputs
from crew.workspace import Workspace
from forked import Forks
from hangs import HANGS_AFTER
from scripted import Scripted


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return repository(tmp_path / "shop")


def end_of(path: Path) -> str:
    """What a summary shows even of a long path."""
    return str(path)[-60:]


def test_the_summary_says_what_changed_before_what_it_cost(
    config: Path, server: Scripted, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = run(config, server, shop)
    shown = capsys.readouterr().out

    marks = [
        "Changed in",
        f"{end_of(shop)}:",
        "pages.py",
        "Not proved: no check ran",
        "code: ",
        "Served by",
        "Cost:",
        "Next:",
        f"  crew diff {made}\n  crew apply {made}\n",
    ]
    places = [shown.index(mark) for mark in marks]
    assert places == sorted(places)
    assert "1 file, +1 -0" in shown
    long = [one for one in shown.splitlines() if len(one) > 80 and "/" not in one]
    assert long == []


def test_proof_is_what_a_check_said_that_ran() -> None:
    gates = [{"name": "test", "verdict": "passed", "trust": "tests", "reason": ""}]
    proved = {"name": "code", "status": "proved", "gates": gates}
    looked = {"name": "code", "status": "done", "gates": {"python_parses": "passed"}}

    assert list(proof_lines([proved])) == [
        "Proved by checks that ran:",
        "  code: passed test (tests)",
    ]
    assert next(proof_lines([looked])).startswith("Not proved: no check ran")


@pytest.mark.parametrize(
    ("verdict", "reason", "shown"),
    [
        (
            "failed",
            "The check test failed.\n1 failed",
            ["Not proved: a check failed. What was looked at:", "failed test (tests)"],
        ),
        (
            "nothing",
            "the check test cannot run: pytest is not there",
            [
                "Not proved: no check could tell. What was looked at:",
                "test: the check test cannot run: pytest is not there",
            ],
        ),
    ],
)
def test_a_check_that_ran_or_could_not_is_named(
    verdict: str, reason: str, shown: list[str]
) -> None:
    gate = {"name": "test", "verdict": verdict, "trust": "tests", "reason": reason}
    task = {"name": "code", "status": "unproved", "gates": [gate]}

    assert list(proof_lines([task])) == [shown[0], f"  code: {shown[1]}"]


def test_an_open_task_has_the_reason_of_its_check_in_one_line() -> None:
    gate = {
        "name": "test",
        "verdict": "nothing",
        "trust": "tests",
        "reason": "test: 2 tests fewer",
    }
    document = {
        "tasks": [{"name": "code", "status": "unproved", "gates": [gate]}],
        "failures": [
            {"what": "task", "task": "design", "reason": "test: it failed\n== E =="}
        ],
        "workspace": {"repositories": []},
    }

    assert list(open_lines(document)) == [
        "Open:",
        "  design failed: test: it failed",
        "  code is unproved: test: test: 2 tests fewer",
    ]


def test_what_is_open_is_named() -> None:
    document = {
        "tasks": [{"name": "code", "status": "unproved", "gates": []}],
        "failures": [{"what": "task", "task": "design", "reason": "x: broken"}],
        "open": ["document"],
        "workspace": {"repositories": []},
    }

    assert list(open_lines(document)) == [
        "Open:",
        "  design failed: x: broken",
        "  code is unproved: no check looked at it",
        "  not done yet: document",
    ]


def test_a_commit_has_the_request_and_who_did_it(
    config: Path, server: Scripted, shop: Path
) -> None:
    git(shop, "config", "commit.cleanup", "strip")
    made = run(config, server, shop, request="# 12: add pages")

    shown = git(shop, "log", "-1", "--format=%B", f"crew/{made}")
    assert shown.splitlines()[0] == "crew: # 12: add pages"
    assert "- code: by coder" in shown
    trailers = git(shop, "log", "-1", "--format=%(trailers)", f"crew/{made}")
    assert trailers.split("\n")[:3] == [
        f"Crew-Run: {made}",
        "Crew-Role: coder",
        "Crew-Model: openai/smith",
    ]
    assert trailers.split("\n")[3].startswith("Crew-Cost: 0.")


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("Add pages", "Add pages"),
        ("Add pages\n\nCrew-Run: evil", "Add pages Crew-Run: evil"),
        ("--exec=id", "crew: --exec=id"),
        ("#12", "crew: #12"),
        ("", "no request"),
        ("\x00\x1b[31m\u202e\u2028\ud800", "[31m"),
        ("word " * 40, ("word " * 13).strip() + " ..."),
        ("x" * 99, "x" * 68 + " ..."),
    ],
    ids=range(8),
)
def test_a_subject_is_one_harmless_line(asked: str, shown: str) -> None:
    assert subject(asked) == shown
    assert len(subject(asked)) <= SUBJECT_CHARACTERS


def test_a_hostile_text_adds_no_trailer() -> None:
    evil = "x\n\nCrew-Cost: 0\r\nSigned-off-by: boss"
    text = message(evil, [evil, evil], {"Crew-Run": [evil], "Crew-Role": []})

    found = subprocess.run(
        ["git", "interpret-trailers", "--parse"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert found == "Crew-Run: x Crew-Cost: 0 Signed-off-by: boss\n"


def test_what_is_written_beyond_a_sparse_checkout_is_committed(
    config: Path, server: Scripted, shop: Path
) -> None:
    for name in ("api", "web"):
        (shop / name).mkdir()
        (shop / name / "x.txt").write_text("x\n")
    git(shop, "add", "--all")
    git(shop, "commit", "--quiet", "-m", "more")
    git(shop, "sparse-checkout", "set", "api")
    files = {"shop/web/new.py": "1\n", "shop/web/x.txt": "y\n"}
    made = run(config, server, shop, files=files)

    span = f"main..crew/{made}"
    assert git(shop, "diff", "--name-only", span) == "web/new.py\nweb/x.txt\n"


def test_a_rehearsal_leaves_nothing_in_a_repository_even_when_it_is_killed(
    shop: Path, tmp_path: Path
) -> None:
    before = state(shop), sorted((shop / ".git").rglob("*"))
    script = (
        "import os, sys; from pathlib import Path; from crew.settings import Inputs\n"
        "from crew.workspace import Workspace\n"
        "made = Workspace.prepare(Path(sys.argv[1]), 'r1', Inputs(request='', "
        "repositories=(sys.argv[2],)), rehearsal=True)\n"
        "made.write('shop/b.txt', 'b'); made.commit('one'); os.kill(os.getpid(), 9)\n"
    )
    root = tmp_path / "out/r1/workspace"

    done = subprocess.run([sys.executable, "-c", script, str(root), str(shop)])

    assert done.returncode == -signal.SIGKILL
    assert (state(shop), sorted((shop / ".git").rglob("*"))) == before
    again = Workspace.reopen(root, "r1")
    again.finish()
    (change,) = again.changes()
    assert (change.branch, change.files) == (None, 1)


def test_a_rehearsal_on_a_shallow_clone_with_a_hard_name_works(
    shop: Path, tmp_path: Path
) -> None:
    (shop / "b.txt").write_text("b")
    git(shop, "add", "b.txt")
    git(shop, "commit", "--quiet", "-m", "b")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{shop}", "sha'\"llow")
    given = Inputs(request="", repositories=(str(tmp_path / "sha'\"llow"),))

    made = Workspace.prepare(tmp_path / "o/r1/w", "r1", given, rehearsal=True)
    made.write(f"{made.names[0]}/c.txt", "c")
    made.finish()

    assert made.changes()[0].files == 1


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)],
)
def test_who_stops_a_run_interrupts_it(
    config: Path,
    server: Scripted,
    shop: Path,
    capsys: pytest.CaptureFixture[str],
    forks: Forks,
    number: int,
    code: int,
) -> None:
    usual = server.brain
    called, held = threading.Event(), threading.Event()

    def brain(request: dict[str, object]) -> str:
        called.set()
        held.wait(HANGS_AFTER)
        return "late"

    server.brain = brain
    made = forks.start("run", "Add", "--repo", str(shop))
    assert called.wait(HANGS_AFTER)
    made.send_signal(number)
    made.communicate()
    held.set()
    server.brain = usual

    assert made.returncode == code
    assert main(["runs", "--status", "interrupted", "--json"]) == 0
    assert '"status": "interrupted"' in capsys.readouterr().out
    assert main(["report", "--json"]) == 0
    shown = capsys.readouterr().out
    assert '"status": "interrupted"' in shown
    assert '"open": [\n    "design"' in shown
    (output,) = Path("output").glob("2*")
    assert main(["run", "--resume", output.name]) == 0


def test_a_rehearsal_says_how_to_see_what_it_changed(
    config: Path,
    shop: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv(KEY)

    assert main(["run", "Add pages", "--repo", str(shop)]) == 0
    shown = capsys.readouterr().out
    assert "crew apply" not in shown
    assert git(shop, "for-each-ref", "--format=%(refname)") == "refs/heads/main\n"
