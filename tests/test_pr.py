"""`crew pr`: shown first; with --post the branch is pushed and the request opened."""

import os
import stat
from pathlib import Path

import pytest

from after_runs import git, repository, run
from crew.cli import main
from crew.errors import WorkspaceError
from crew.workspace.pushing import push, remote
from scripted import Scripted
from test_github_comment import TOKEN, Hub
from test_github_comment import hub as hub

OPENED = "https://github.com/ada/shop/pull/7"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    made = repository(tmp_path / "shop")
    git(tmp_path, "clone", "--quiet", "--bare", str(made), "origin.git")
    git(made, "remote", "add", "origin", str(tmp_path / "origin.git"))
    return made


def test_without_post_it_is_shown_and_nothing_is_sent(
    config: Path, server: Scripted, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = run(config, server, shop, request="Add pages @everybody")
    capsys.readouterr()

    assert main(["pr", made, "--to", "ada/shop"]) == 0
    shown = capsys.readouterr().out
    assert "DRY RUN: the pull request on ada/shop, which is not opened" in shown
    assert f"head:  crew/{made}\nbase:  main\ntitle: Add pages" in shown
    assert "@everybody" not in shown.partition("> Add")[2]
    assert f"crew pr {made} --to ada/shop --post" in shown
    assert "crew/" not in git(shop.parent / "origin.git", "branch")
    assert main(["pr", made]) == 1
    assert "--to OWNER/REPO" in capsys.readouterr().err


def test_with_post_the_branch_is_pushed_and_the_pull_request_opened(
    config: Path,
    server: Scripted,
    shop: Path,
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = run(config, server, shop)
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    monkeypatch.setenv("GITHUB_API_URL", hub.url)
    hub.body = {"html_url": OPENED, "url": f"{hub.url}/repos/ada/shop/pulls/7"}
    config_before = (shop / ".git/config").read_text()
    evil = shop / ".git/hooks/pre-push"
    evil.parent.mkdir(exist_ok=True)
    evil.write_text(f"#!/bin/sh\ntouch {shop.parent}/ran\n")
    evil.chmod(0o755)

    assert main(["pr", made, "--to", "ada/shop", "--post"]) == 0

    assert f"opened: {OPENED}" in capsys.readouterr().out
    ((method, path, who, sent),) = hub.asked
    assert (method, path) == ("POST", "/repos/ada/shop/pulls")
    assert who.endswith(TOKEN)
    assert (sent["head"], sent["base"], sent["title"]) == (
        f"crew/{made}",
        "main",
        "Add pages",
    )
    tip = git(shop, "rev-parse", f"crew/{made}")
    assert git(shop.parent / "origin.git", "rev-parse", f"crew/{made}") == tip
    assert (shop / ".git/config").read_text() == config_before
    assert not (shop.parent / "ran").exists()
    hub.status = 422
    assert main(["pr", made, "--to", "ada/shop", "--post"]) == 1
    shown = capsys.readouterr()
    assert "the branch is pushed" in shown.err
    assert TOKEN not in shown.err + shown.out


SPY = """#!/bin/sh
# Plays git: keeps what it was given, and asks for passwords as git does.
printf '%s\\n' "$@" >> {kept}/arguments
env >> {kept}/environment
case "$*" in
  *push*)
    "$GIT_ASKPASS" "Password for 'https://x-access-token@github.com': " > {kept}/answer
    "$GIT_ASKPASS" "Password for 'https://x-access-token@evil.example': " \
      > {kept}/evil || true
    exit 0;;
esac
exec {git} "$@"
"""


def test_the_token_is_in_no_argument_and_no_environment_and_for_one_host(
    tmp_path: Path, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(shop, "branch", "crew/r1")
    git(shop, "remote", "set-url", "origin", "https://github.com/ada/shop.git")
    real = next(
        path
        for one in os.environ["PATH"].split(":")
        if (path := Path(one, "git")).exists()
    )
    (tmp_path / "bin").mkdir()
    spy = tmp_path / "bin/git"
    spy.write_text(SPY.format(kept=tmp_path, git=real))
    spy.chmod(spy.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)

    push(shop, "crew/r1", remote(shop), TOKEN)

    assert (tmp_path / "answer").read_text() == TOKEN
    assert (tmp_path / "evil").read_text() == ""
    assert TOKEN not in (tmp_path / "arguments").read_text()
    assert TOKEN not in (tmp_path / "environment").read_text()


@pytest.mark.parametrize(
    ("url", "host", "name"),
    [
        ("https://github.com/ada/shop.git", "github.com", "ada/shop"),
        ("https://ada:secret@github.com/ada/shop", "github.com", "ada/shop"),
        ("git@github.com:ada/shop.git", "github.com", "ada/shop"),
        ("ssh://git@github.com:22/ada/shop.git", "github.com", "ada/shop"),
        ("https://git.example.org:8443/ada/shop", "git.example.org:8443", "ada/shop"),
    ],
)
def test_the_remote_says_where(shop: Path, url: str, host: str, name: str) -> None:
    git(shop, "remote", "set-url", "origin", url)

    found = remote(shop)

    assert (found.host, found.name) == (host, name)


@pytest.mark.parametrize(
    "url", ["http://github.com/ada/shop", "ext::sh -c id", "--upload-pack=id", "../x"]
)
def test_other_addresses_are_refused(shop: Path, url: str) -> None:
    git(shop, "config", "remote.origin.url", url)

    with pytest.raises(WorkspaceError, match="none to push to"):
        remote(shop)


def test_the_token_goes_to_the_host_of_the_api_alone(
    config: Path, server: Scripted, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(config, server, shop)
    git(shop, "remote", "set-url", "origin", "https://evil.example/ada/shop.git")

    assert main(["pr"]) == 1
    assert "it goes nowhere else" in capsys.readouterr().err
