"""`crew apply` and `crew diff`: what a run changed, shown and taken over."""

import subprocess
from pathlib import Path

import pytest

from after_runs import KEY, git, repository, run, state
from crew.cli import main
from scripted import Scripted


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return repository(tmp_path / "shop")


def test_a_run_is_merged_into_what_is_checked_out(
    config: Path, server: Scripted, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = run(config, server, shop)
    capsys.readouterr()

    assert main(["apply", made]) == 0
    assert (shop / "pages.py").read_text() == "PAGES = 1\n"
    assert git(shop, "rev-parse", "HEAD") == git(shop, "rev-parse", f"crew/{made}")
    assert git(shop, "status", "--porcelain") == ""
    assert "1 file merged" in capsys.readouterr().out
    assert main(["apply"]) == 0
    assert "nothing new" in capsys.readouterr().out


def test_a_branch_that_went_on_gets_a_merge_commit_of_the_user(
    config: Path, server: Scripted, shop: Path
) -> None:
    made = run(config, server, shop)
    git(shop, "config", "user.name", "Grace")
    git(shop, "config", "user.email", "grace@example.org")
    (shop / "b.txt").write_text("b\n")
    git(shop, "add", "b.txt")
    git(shop, "commit", "--quiet", "-m", "meanwhile")

    assert main(["apply", made]) == 0
    assert (shop / "b.txt").exists()
    assert (shop / "pages.py").exists()
    line = git(shop, "log", "-1", "--format=%an %P")
    assert line.startswith("Grace ")
    assert len(line.split()) == 3
    assert git(shop, "status", "--porcelain") == ""


def test_a_patch_stays_uncommitted(config: Path, server: Scripted, shop: Path) -> None:
    made = run(
        config, server, shop, files={"shop/pages.py": "1\n", "shop/a.txt": "three\n"}
    )
    head = git(shop, "rev-parse", "HEAD")

    assert main(["apply", made, "--patch"]) == 0
    assert git(shop, "rev-parse", "HEAD") == head
    shown = git(shop, "diff")
    assert "+three" in shown
    assert "pages.py" in shown


def _conflicting(shop: Path) -> None:
    (shop / "a.txt").write_text("mine\n")
    git(shop, "commit", "--quiet", "-am", "mine")


def _dirty(shop: Path) -> None:
    (shop / "a.txt").write_text("not committed\n")


def _staged(shop: Path) -> None:
    _dirty(shop)
    git(shop, "add", "a.txt")


def _in_the_way(shop: Path) -> None:
    (shop / "new.py").write_text("mine\n")


def _ignored_in_the_way(shop: Path) -> None:
    (shop / ".git/info/exclude").write_text("new.py\n")
    _in_the_way(shop)


def _a_file_for_a_directory(shop: Path) -> None:
    (shop / "sub").write_text("mine\n")


def _a_link_for_a_directory(shop: Path) -> None:
    (shop.parent / "elsewhere").mkdir()
    (shop / "sub").symlink_to(shop.parent / "elsewhere")


def _merging(shop: Path) -> None:
    (shop / ".git/MERGE_HEAD").write_text(git(shop, "rev-parse", "HEAD"))


@pytest.mark.parametrize("patch", [[], ["--patch"]], ids=["merge", "patch"])
def test_what_cannot_be_applied_leaves_every_checkout_as_it_was(
    config: Path,
    server: Scripted,
    shop: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    patch: list[str],
) -> None:
    other = repository(tmp_path / "other")
    files = {
        "other/o.py": "1\n",
        "shop/a.txt": "three\n",
        "shop/new.py": "1\n",
        "shop/sub/deep.py": "1\n",
    }
    made = run(config, server, other, shop, files=files)
    for spoil, word in (
        (_conflicting, f"git -C {shop} merge crew/{made}"),
        (_dirty, f"git -C {shop} stash"),
        (_staged, f"git -C {shop} stash"),
        (_in_the_way, "new.py; move them away"),
        (_ignored_in_the_way, "new.py; move them away"),
        (_a_file_for_a_directory, "sub; move them away"),
        (_a_link_for_a_directory, "sub; move them away"),
        (_merging, "a merge is under way"),
    ):
        start = git(shop, "rev-list", "--max-parents=0", "main").strip()
        git(shop, "reset", "--quiet", "--hard", start)
        git(shop, "clean", "-fdxq")
        (shop / ".git/info/exclude").write_text("")
        spoil(shop)
        before = state(shop), state(other)
        capsys.readouterr()

        assert main(["apply", made, *patch]) == 1, word
        assert word in capsys.readouterr().err
        assert (state(shop), state(other)) == before, word
        assert list((tmp_path / "elsewhere").glob("*") if "link" in word else []) == []


def test_nothing_that_a_repository_configures_runs(
    config: Path, server: Scripted, shop: Path, tmp_path: Path
) -> None:
    made = run(
        config, server, shop, files={"shop/a.txt": "three\n", "shop/pages.py": "1\n"}
    )
    evil = tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    evil.chmod(0o755)
    for hook in ("post-merge", "post-checkout", "reference-transaction", "pre-commit"):
        (shop / ".git/hooks").mkdir(exist_ok=True)
        (shop / ".git/hooks" / hook).symlink_to(evil)
    for key in ("merge.own.driver", "core.fsmonitor", "diff.external"):
        git(shop, "config", key, str(evil))
    (shop / ".git/info/attributes").write_text("a.txt merge=own\n")
    (shop / "a.txt").write_text("mine\ntwo\n")
    # The test's own git must not run them either.
    git(shop, "-c", "core.hooksPath=", "-c", "core.fsmonitor=", "commit", "-qam", "m")
    (tmp_path / "ran").unlink(missing_ok=True)

    assert main(["apply", made]) == 1
    assert main(["diff", made]) == 0
    assert not (tmp_path / "ran").exists()


def test_two_directories_of_one_repository_come_together(
    config: Path, server: Scripted, shop: Path
) -> None:
    files = {"shop/x.py": "1\n", "shop-2/y.py": "1\n"}
    made = run(config, server, shop, shop, files=files)

    assert main(["apply", made]) == 0
    assert (shop / "x.py").exists()
    assert (shop / "y.py").exists()
    assert git(shop, "status", "--porcelain") == ""


def test_a_directory_without_git_is_shown_and_applied(
    config: Path, server: Scripted, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plain = tmp_path / "shop"
    plain.mkdir()
    (plain / "a.txt").write_bytes(b"one\r\ntwo\r\n")
    files = {"shop/a.txt": "one\r\nthree\r\n", "shop/sub/b.txt": "b\n"}
    made = run(config, server, plain, files=files)
    capfd.readouterr()

    assert main(["diff"]) == 0
    assert "+three" in capfd.readouterr().out
    (plain / "a.txt").write_bytes(b"mine\r\n")
    assert main(["apply", made]) == 1
    assert not (plain / "sub").exists()
    (plain / "a.txt").write_bytes(b"one\r\ntwo\r\n")
    assert main(["apply", made]) == 0
    assert (plain / "a.txt").read_bytes() == b"one\r\nthree\r\n"
    assert (plain / "sub/b.txt").read_text() == "b\n"
    assert not (plain / ".git").exists()


def test_the_diff_is_what_git_apply_takes(
    config: Path,
    server: Scripted,
    shop: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    content = "x = '\x1b[31m'\r\ny = '\u202e'\n"
    run(config, server, shop, files={"shop/pages.py": content})
    capfdbinary.readouterr()

    assert main(["diff"]) == 0
    shown = capfdbinary.readouterr().out
    subprocess.run(["git", "apply"], cwd=shop, input=shown, check=True)
    assert (shop / "pages.py").read_bytes() == content.encode()


def test_figures_and_what_git_ignores_are_shown(
    config: Path, server: Scripted, shop: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = {"shop/pages.py": "1\n", "shop/found.log": "kept\n"}
    made = run(config, server, shop, files=files)
    shown = capfd.readouterr().out
    assert "git ignores, so in no commit: found.log" in shown

    assert main(["diff", made[-4:], "--stat"]) == 0
    assert "pages.py" in capfd.readouterr().out
    assert main(["diff", made]) == 0
    assert "+kept" in capfd.readouterr().out
    assert main(["apply", made]) == 0
    assert "git ignores found.log; to have it: cp" in capfd.readouterr().out


def test_a_rehearsal_is_shown_and_never_applied(
    config: Path,
    server: Scripted,
    shop: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv(KEY)
    before = state(shop), sorted(path for path in (shop / ".git").rglob("*"))

    assert main(["run", "Add pages", "--repo", str(shop)]) == 0
    assert (state(shop), sorted((shop / ".git").rglob("*"))) == before
    assert main(["diff"]) == 0
    capfd.readouterr()
    assert main(["apply"]) == 1
    assert "was a rehearsal" in capfd.readouterr().err
