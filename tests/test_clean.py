"""`crew clean` and `crew runs`: what runs left, listed and removed, never work that is
nowhere else."""

import fcntl
import json
import sqlite3
from pathlib import Path

import pytest

from after_runs import git, repository, run
from crew.cli import main
from scripted import Scripted


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return repository(tmp_path / "shop")


def test_what_is_not_merged_stays_unless_forced(
    config: Path, server: Scripted, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = run(config, server, shop)
    git(shop, "update-ref", f"refs/crew/{made}/code/1", f"crew/{made}")
    git(shop, "update-ref", "refs/crew/other/code/1", "main")
    capsys.readouterr()

    assert main(["clean", made]) == 1
    assert f"crew/{made} is not merged in {shop}" in capsys.readouterr().err
    assert main(["clean", made, "--force", "--dry-run"]) == 0
    assert Path("output", made).exists()
    assert main(["clean", made, "--force"]) == 0
    assert "MB freed" in capsys.readouterr().out
    assert not Path("output", made).exists()
    refs = git(shop, "for-each-ref", "--format=%(refname)").split()
    assert refs == ["refs/crew/other/code/1", "refs/heads/main"]
    assert len(git(shop, "worktree", "list").splitlines()) == 1


@pytest.mark.parametrize("patch", [False, True], ids=["merged", "taken over"])
def test_what_was_applied_goes(
    config: Path, server: Scripted, shop: Path, patch: bool
) -> None:
    made = run(config, server, shop)
    assert main(["apply", made, *(["--patch"] if patch else [])]) == 0
    if patch:
        assert main(["clean", made]) == 1
        git(shop, "add", "--all")
        git(shop, "commit", "--quiet", "-m", "by hand")

    assert main(["clean", made]) == 0
    assert (shop / "pages.py").exists()
    assert git(shop, "branch", "--format=%(refname:short)") == "main\n"


def test_a_file_that_git_ignores_is_work_too(
    config: Path, server: Scripted, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = run(
        config, server, shop, files={"shop/found.log": "kept\n", "shop/b.py": "1\n"}
    )
    assert main(["apply", made]) == 0
    capsys.readouterr()

    assert main(["clean", made]) == 1
    assert "found.log is ignored by git" in capsys.readouterr().err
    (shop / "found.log").write_text("kept\n")
    assert main(["clean", made]) == 0


def test_young_runs_and_running_ones_are_not_touched(
    config: Path, server: Scripted, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = run(config, server, shop)
    assert main(["clean", "--force"]) == 0
    assert Path("output", made).exists()

    with sqlite3.connect(".crew/journal.db") as db:
        db.execute("UPDATE run SET status = 'running'")
    db.close()
    with Path("output", made, "inputs.json").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        capsys.readouterr()
        assert main(["clean", made, "--force"]) == 1
        assert "still running" in capsys.readouterr().err
    assert Path("output", made).exists()


def test_runs_are_listed_newest_first_and_filtered(
    config: Path,
    server: Scripted,
    shop: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = run(config, server, request="Write\x1b[31m a very long request " * 9)
    second = run(config, server, shop)
    capsys.readouterr()
    record = Path("output", second, "run.json")
    document = {**json.loads(record.read_text()), "cost_usd": 0.00001295}
    record.write_text(json.dumps(document))

    assert main(["runs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert " <$0.0001  " in lines[2]
    assert [line.split()[0] for line in lines[2:]] == [second, first]
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in "".join(lines)
    for arguments, ids in (
        (["--repo", str(shop)], [second]),
        (["--status", "failed"], []),
        (["--since", "1d", "--limit", "1"], [second]),
    ):
        assert main(["runs", "--json", *arguments]) == 0
        shown = json.loads(capsys.readouterr().out)["runs"]
        assert [entry["run"] for entry in shown] == ids
    assert main(["runs", "--since", "soon"]) == 2
    capsys.readouterr()
    assert main(["diff", second[:-1] + "?"]) == 2
    assert f"did you mean {second}?" in capsys.readouterr().err
    assert main(["diff", "20"]) == 2
    assert "may be any of 2 runs" in capsys.readouterr().err
