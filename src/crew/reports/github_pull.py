"""A pull request on GitHub: its text, and opening it with PyGithub."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from crew.errors import CrewError
from crew.reports.failures import DONE
from crew.reports.github_client import Problem, asking, no_answer
from crew.reports.github_comment import API_URL, GitHub, harmless
from crew.reports.verdicts import PASSED, verdicts_of

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*/(?!\.{1,2}$)[A-Za-z0-9._-]+")
BODY_CHARACTERS = 60_000


class PullFailed(CrewError):
    """A pull request cannot be opened, or was not."""


def is_repository(name: str) -> bool:
    """Whether it is of the form OWNER/REPO."""
    return _REPOSITORY.fullmatch(name) is not None


def host_of(api_url: str) -> str:
    """The host to which git pushes for an address of GitHub's API."""
    return "github.com" if api_url == API_URL else (urlsplit(api_url).netloc or "")


def body_of(document: Mapping[str, Any], files: Sequence[Mapping[str, Any]]) -> str:
    """What the pull request says: the request, the tasks with what proved them, the
    files. It mentions nobody and gives no commands to bots."""
    parts = [_quoted(str(document.get("request") or ""))]
    parts.append("\n".join(_task(task) for task in document["tasks"]))
    rows = [
        f"- `{one['path'].replace('`', '')}` +{_count(one['insertions'])} "
        f"-{_count(one['deletions'])}"
        for one in files
    ]
    parts.append("\n".join(rows[:100]))
    parts.append(f"crew run {document['run']}")
    return harmless("\n\n".join(part for part in parts if part))[:BODY_CHARACTERS]


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.strip().splitlines())


def _task(task: Mapping[str, Any]) -> str:
    done = "done" if task["status"] in DONE else "not done"
    line = f"- {task['name']}: {task['status'] if done == 'done' else done}"
    found = verdicts_of(task["gates"])
    gates = [one.gate for one in found if one.verdict == PASSED]
    return line + (f" (passed: {', '.join(gates)})" if gates else "")


def _count(lines: int | None) -> str:
    return "?" if lines is None else str(lines)


def open_pull(
    hub: GitHub, repository: str, *, title: str, body: str, head: str, base: str
) -> str:
    """Open a pull request once, without retries; returns its address. Raises
    PullFailed."""

    def failed(problem: Problem) -> PullFailed:
        if isinstance(problem, int):
            return PullFailed(f"{repository}: {_meaning(problem, base)}")
        return PullFailed(
            f"{repository}: {no_answer(hub.api_url, problem)}; look whether the pull "
            "request is there"
        )

    with asking(hub.token, hub.api_url, failed) as client:
        pulls = client.get_repo(repository)
        made = pulls.create_pull(base=base, head=head, title=title, body=body)
        address = made.html_url
    if not address:  # PyGithub takes a redirect for an answer
        raise PullFailed(f"{repository}: nothing was opened; has it moved?")
    return str(address)


def _meaning(status: int, base: str) -> str:
    match status:
        case 401:
            why = "the token is wrong or has expired"
        case 403 | 429:
            why = "the token may not open pull requests there, or asked too much"
        case 404 | 410:
            why = "there is no such repository, or the token may not see it"
        case 422:
            why = (
                f"GitHub does not take it: is one open for this branch already, and is "
                f"there a branch {base!r}?"
            )
        case _:
            why = "GitHub failed"
    return f"{why} (status {status}); the branch is pushed"
