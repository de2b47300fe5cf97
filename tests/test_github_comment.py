"""The comment on a GitHub issue: what it says, who posts it, and what it never does."""

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from building import deployment, provider, role, settings
from configured import KEY, SECRET, configure
from crew.cli import main
from crew.reports.github_comment import (
    COMMENT_CHARACTERS,
    CommentFailed,
    GitHub,
    Issue,
    comment_on,
    parse_issue,
    results_of,
)
from crew.settings import TaskSpec
from scripted import Scripted, serving

TOKEN = "ghp_very-secret-0123456789"
ISSUE = Issue(repository="shop/web", number=12)


@dataclass
class Hub:
    """A GitHub of the tests' own: how it answers, and what it was asked."""

    url: str = ""
    status: int = 201
    body: object = field(
        default_factory=lambda: {
            "html_url": "https://github.com/shop/web/issues/12#issuecomment-1"
        }
    )
    asked: list[tuple[str, str, str, Any]] = field(default_factory=list)


@pytest.fixture
def hub() -> Iterator[Hub]:
    reported = Hub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            size = int(self.headers["content-length"])
            self._answer(json.loads(self.rfile.read(size)))

        def _answer(self, sent: Any) -> None:
            who = self.headers["authorization"] or ""
            reported.asked.append((self.command, self.path, who, sent))
            raw = json.dumps(reported.body).encode()
            self.send_response(reported.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    reported.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield reported
    server.shutdown()
    server.server_close()
    thread.join()


# What it says.


def test_a_comment_names_the_run_and_the_tasks() -> None:
    text = comment_on("r1", {"look": "A red square.\n", "error": "It broke."})

    assert text == (
        "## crew: run r1\n\n### look\n\nA red square.\n\n### error\n\nIt broke."
    )


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("ask @ada", "ask @\u200bada"),
        ("@shop/team!", "@\u200bshop/team!"),
        ("**@ada**, a_@ada_, <b>@ada</b>", None),
        ("a@b.org", "a@\u200bb.org"),
        ("```\n@property\n```", "```\n@\u200bproperty\n```"),
        ("&#64;ada &#0064;ada &#x40;ada &#X40;ada &commat;ada", None),
        ("/approve", "\u200b/approve"),
        ("fine\n  /merge now", "fine\n  \u200b/merge now"),
        ("a/b and / and @ alone", "a/b and / and @ alone"),
        ("lone \ud800", "lone \\ud800"),
    ],
)
def test_a_comment_mentions_nobody_and_commands_nothing(
    written: str, expected: str | None
) -> None:
    text = comment_on("r1", {"look": written}).partition("### look\n\n")[2]

    text.encode("utf-8")
    if expected is not None:
        assert text == expected
    assert "@ada" not in text
    for mention in ("&#64;", "&#0064;", "&#x40;", "&#X40;", "&commat;"):
        assert mention not in text


@pytest.mark.parametrize("letter", ["x", "@a ", "é", "\U0001f600"])
def test_a_comment_is_no_longer_than_github_takes(letter: str) -> None:
    text = comment_on("r1", {"look": letter * 100_000})

    assert len(text) == COMMENT_CHARACTERS
    assert "(Cut after GitHub's 65,536 characters.)" in text[:100]


def test_it_tells_what_was_seen_or_else_the_result_of_the_run(tmp_path: Path) -> None:
    one = deployment("m", provider("p"))
    kinds = {"eye": "vision", "hand": "coding"}
    tasks = [
        TaskSpec(name=name, description="d", expected_output="o", agent=who, kind=kind)
        for name, who, kind in (
            ("look", "eye", None),
            ("read", "hand", "vision"),
            ("code", "hand", None),
            ("say", "eye", "general"),
            ("free", None, None),
        )
    ]
    made = settings(
        [one],
        tmp_path,
        roles=[role(name, kind=kind) for name, kind in kinds.items()],
        tasks=tasks,
    )
    every = {task.name: task.name.upper() for task in tasks}

    assert results_of(made, every, "all") == {"look": "LOOK", "read": "READ"}
    assert results_of(made, {"code": "CODE", "gone": "x"}, "all") == {"result": "all"}


# Where it goes.


@pytest.mark.parametrize(
    ("text", "repository", "number"),
    [
        ("shop/web#12", "shop/web", 12),
        ("a-b/.github#1", "a-b/.github", 1),
        ("A_b/c.d_e-f#1234567890", "A_b/c.d_e-f", 1234567890),
    ],
)
def test_an_issue_is_owner_repository_and_number(
    text: str, repository: str, number: int
) -> None:
    assert parse_issue(text) == Issue(repository=repository, number=number)
    assert str(parse_issue(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        "web#12",
        "shop/web",
        "shop/web#0",
        "shop/web#-1",
        "shop/web#x",
        "shop/..#1",
        "shop/.#1",
        "../web#1",
        "a/b/c#1",
        "shop/web#1\n",
        "shop/web?x#1",
        "shop/web#12345678901",
        "shop/web#\u0661",
    ],
)
def test_what_is_no_issue_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not of the form OWNER/REPO#NUMBER"):
        parse_issue(text)


# Posting it.


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({}, "GITHUB_TOKEN is not set"),
        ({"GITHUB_TOKEN": " "}, "GITHUB_TOKEN is not set"),
        ({"GITHUB_TOKEN": "a b"}, "GITHUB_TOKEN is no token"),
        ({"GITHUB_TOKEN": "a\r\nx: y"}, "GITHUB_TOKEN is no token"),
        ({"GITHUB_TOKEN": "ключ"}, "GITHUB_TOKEN is no token"),
        *[
            ({"GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": url}, "GITHUB_API_URL must")
            for url in (
                "http://api.github.com",
                "http://localhost.example.org",
                "ftp://x",
                "https://",
                "https://[",
                "https://user@x.org",
                "x",
            )
        ],
    ],
)
def test_what_is_missing_is_told_before_anything_is_posted(
    environ: dict[str, str], why: str
) -> None:
    with pytest.raises(CommentFailed, match=why) as caught:
        GitHub.read(environ)

    assert TOKEN not in str(caught.value)


def test_without_pygithub_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "github", None)

    with pytest.raises(CommentFailed, match="uv sync --extra github"):
        GitHub.read({"GITHUB_TOKEN": TOKEN})


def test_the_token_is_not_shown() -> None:
    account = GitHub.read({"GITHUB_TOKEN": TOKEN})

    assert account.api_url == "https://api.github.com"
    assert TOKEN not in repr(account)


def test_a_comment_is_posted_in_one_request(hub: Hub) -> None:
    environ = {"GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": f"{hub.url}/api/v3/"}

    address = GitHub.read(environ).post(ISSUE, "What was seen.")

    assert address == "https://github.com/shop/web/issues/12#issuecomment-1"
    assert hub.asked == [
        (
            "POST",
            "/api/v3/repos/shop/web/issues/12/comments",
            f"token {TOKEN}",
            {"body": "What was seen."},
        )
    ]


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (401, "the token is wrong"),
        (403, "may not comment there"),
        (404, "no such issue"),
        (410, "no such issue"),
        (422, "does not take"),
        (429, "too much was asked"),
        (500, "GitHub failed"),
        (503, "GitHub failed"),
        (307, "has the repository moved"),
    ],
)
def test_what_github_refuses_is_told_once_and_without_the_token(
    hub: Hub, status: int, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    hub.status, hub.body = status, {"message": f"no, {TOKEN}"}
    account = GitHub(token=TOKEN, api_url=hub.url)

    with caplog.at_level("DEBUG"), pytest.raises(CommentFailed, match=why) as caught:
        account.post(ISSUE, "text")

    assert len(hub.asked) == 1
    error = caught.value
    assert str(error).startswith("shop/web#12: ")
    assert TOKEN not in f"{error}{error.__cause__}"


def test_a_github_that_is_not_there_is_told(hub: Hub) -> None:
    account = GitHub(token=TOKEN, api_url="http://127.0.0.1:9")

    with pytest.raises(CommentFailed, match="look whether the comment is there"):
        account.post(ISSUE, "text")


# From the command line.


@pytest.fixture
def server() -> Iterator[Scripted]:
    with serving() as script:
        script.brain = lambda request: f"{request['model']} did it, says @ada."
        yield script


@pytest.fixture
def config(server: Scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CREW_CONFIG_DIR", "config")
    monkeypatch.setenv(KEY, SECRET)
    for name in ("GITHUB_TOKEN", "GITHUB_API_URL"):
        monkeypatch.delenv(name, raising=False)
    return configure(tmp_path / "config", server.url)


def test_without_post_the_comment_is_shown_and_nothing_is_asked(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["run", "Add pages", "--comment", "shop/web#12"])

    out = capsys.readouterr().out
    assert code == 0
    assert "DRY RUN: the comment on shop/web#12, which is not posted:" in out
    assert "### result\n\nscribe did it, says @\u200bada." in out
    assert "Post it with: crew run --resume 2" in out
    assert out.endswith("--comment 'shop/web#12' --post\n")


def test_with_json_it_is_shown_apart(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["run", "Add pages", "--comment", "shop/web#12", "--json"])

    shown = capsys.readouterr()
    assert code == 0
    assert json.loads(shown.out)["status"] == "done"
    assert "DRY RUN" in shown.err


def test_a_run_that_is_done_is_posted_later_without_a_new_call(
    config: Path,
    server: Scripted,
    hub: Hub,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    main(["run", "Add pages", "--json"])
    run = json.loads(capsys.readouterr().out)["run"]
    calls = len(server.requests)
    env = f"GITHUB_TOKEN={TOKEN}\nGITHUB_API_URL={hub.url}\n"
    (tmp_path / "config" / ".env").write_text(env, encoding="utf-8")

    code = main(["run", "--resume", run, "--comment", "shop/web#12", "--post"])

    shown = capsys.readouterr()
    ((_, _, _, sent),) = hub.asked
    assert code == 0
    assert len(server.requests) == calls
    assert "posted: https://github.com/shop/web/issues/12#issuecomment-1" in shown.err
    assert sent["body"].startswith(f"## crew: run {run}\n\n### result\n\nscribe did")
    assert TOKEN not in shown.out + shown.err


def test_a_post_that_fails_leaves_the_run_done_and_exits_with_1(
    config: Path,
    hub: Hub,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub.status, hub.body = 404, {"message": "Not Found"}
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    monkeypatch.setenv("GITHUB_API_URL", hub.url)

    code = main(["run", "Add pages", "--comment", "shop/web#12", "--post", "--json"])

    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert code == 1
    assert document["status"] == "done"
    assert "crew: shop/web#12: there is no such issue" in shown.err
    again = f"--resume {document['run']} --comment 'shop/web#12' --post"
    assert f"crew: try again with: crew run {again}" in shown.err
    assert TOKEN not in shown.out + shown.err


def test_a_run_without_a_result_has_no_comment(
    config: Path,
    server: Scripted,
    hub: Hub,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.replies["smith"] = ["400"]
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    monkeypatch.setenv("GITHUB_API_URL", hub.url)

    code = main(["run", "Add pages", "--comment", "shop/web#12", "--post"])

    shown = capsys.readouterr()
    assert code == 1
    assert hub.asked == []
    assert "there is no comment: the run has no result" in shown.err
    assert "--comment 'shop/web#12' --post" in shown.err


def test_a_rehearsal_is_never_posted(
    config: Path,
    hub: Hub,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(KEY)
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    monkeypatch.setenv("GITHUB_API_URL", hub.url)

    code = main(["run", "Add pages", "--comment", "shop/web#12", "--post"])

    out = capsys.readouterr().out
    assert code == 0
    assert hub.asked == []
    assert "it is never posted" in out
    assert "Post it with" not in out


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (["--post"], "--post: say where: --comment OWNER/REPO#12"),
        (["--comment", "12"], "--comment: '12' is not of the form OWNER/REPO#NUMBER"),
        (["--comment", "a/b#1", "--post"], "--post: GITHUB_TOKEN is not set"),
    ],
)
def test_a_comment_that_cannot_be_posted_is_told_before_the_run(
    config: Path,
    server: Scripted,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    reported: str,
) -> None:
    code = main(["run", "Add pages", *arguments])

    assert code == 2
    assert capsys.readouterr().err == f"crew: arguments: {reported}" + (
        "; put it into .env\n" if "TOKEN" in reported else "\n"
    )
    assert server.requests == []
