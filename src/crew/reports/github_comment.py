"""The comment on a GitHub issue: what it says, and posting it with PyGithub.

What a model read from an image is text from strangers, and the comment stands under
the user's name: it mentions nobody and gives no commands to bots.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from urllib.parse import urlsplit

from crew.errors import CrewError
from crew.reports.github_client import Problem, asking, no_answer
from crew.settings import Settings

COMMENT_CHARACTERS = 65_536
"""What GitHub takes, as its own error says: "body is too long (maximum is 65536
characters)"."""

API_URL = "https://api.github.com"

_BETWEEN = "\u200b"
"""Takes no room, and parts what GitHub and its bots look for."""


class CommentFailed(CrewError):
    """A comment cannot be posted, or was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue or a pull request; GitHub counts them together."""

    repository: str
    number: int

    def __str__(self) -> str:
        return f"{self.repository}#{self.number}"


def parse_issue(text: str) -> Issue:
    """`owner/repo#12`. Raises ValueError."""
    found = re.fullmatch(
        r"([A-Za-z0-9][A-Za-z0-9_-]*/(?!\.{1,2}#)[A-Za-z0-9._-]+)#([1-9][0-9]{0,9})",
        text,
    )
    if found is None:
        raise ValueError(f"{text!r} is not of the form OWNER/REPO#NUMBER")
    return Issue(repository=found[1], number=int(found[2]))


def results_of(
    settings: Settings, results: Mapping[str, str], whole: str
) -> dict[str, str]:
    """The content of a comment: the results of the tasks that look at images; without
    any, the result of the run. `results` are the tasks' by their names."""
    seen = {
        name: result
        for name, result in results.items()
        if (spec := settings.tasks.get(name)) is not None
        and (spec.kind or _kind(settings, spec.agent)) == "vision"
    }
    return seen or {"result": whole}


def _kind(settings: Settings, agent: str | None) -> str | None:
    role = settings.roles.get(agent or "")
    return role.kind if role is not None else None


def comment_on(run: str, results: Mapping[str, str]) -> str:
    """The text of the comment, no longer than GitHub takes."""
    parts = [f"### {name}\n\n{text.strip()}" for name, text in results.items()]
    text = harmless("\n\n".join(parts))
    title = f"## crew: run {run}\n\n"
    if len(title) + len(text) > COMMENT_CHARACTERS:
        # Above the text: below, it could stand in a block of code that was cut open.
        title += f"(Cut after GitHub's {COMMENT_CHARACTERS:,} characters.)\n\n"
    return (title + text)[:COMMENT_CHARACTERS]


def harmless(text: str) -> str:
    """Without mentions and commands, in blocks of code too: what a model wrote does
    not say reliably where one ends."""
    sayable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    # Mentions are found after rendering, so `&#64;` is an @ as well.
    plain = re.sub(r"&(?=#0*64\b|#x0*40\b|commat\b)", "&amp;", sayable, flags=re.I)
    parted = re.sub(r"@(?=\w)", f"@{_BETWEEN}", plain)
    return re.sub(r"^([ \t]*)/(?=\w)", rf"\1{_BETWEEN}/", parted, flags=re.M)


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHub:
    """An account that may comment. The token is in no error and no log."""

    token: str = field(repr=False)
    api_url: str = API_URL

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "GitHub":
        """From GITHUB_TOKEN and GITHUB_API_URL. Raises CommentFailed when that, or
        PyGithub, is not there: better before the run than after it."""
        try:
            import github  # noqa: F401  an extra; most runs post nothing
        except ImportError:
            raise CommentFailed(
                "PyGithub is not installed: uv sync --extra github"
            ) from None
        token = environ.get("GITHUB_TOKEN", "").strip()
        if not token:
            raise CommentFailed("GITHUB_TOKEN is not set; put it into .env")
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise CommentFailed("GITHUB_TOKEN is no token: it is one word of ASCII")
        url = environ.get("GITHUB_API_URL", "").strip() or API_URL
        if not _safe(url):
            raise CommentFailed(
                "GITHUB_API_URL must begin with https://, so that nobody reads the "
                "token on the way, and hold no password"
            )
        return cls(token=token, api_url=url.rstrip("/"))

    def post(self, issue: Issue, text: str) -> str:
        """Comment on an issue once, without retries; returns the comment's address.
        Raises CommentFailed."""
        meant = partial(_failed, issue, self.api_url)
        with asking(self.token, self.api_url, meant) as client:
            repository = client.get_repo(issue.repository)
            posted = repository.get_issue(issue.number).create_comment(text)
            address = posted.html_url
        if not address:  # PyGithub takes a redirect for an answer
            raise CommentFailed(
                f"{issue}: nothing was posted; has the repository moved?"
            )
        return str(address)


def _failed(issue: Issue, api_url: str, problem: Problem) -> CommentFailed:
    if isinstance(problem, int):
        return CommentFailed(f"{issue}: {_meaning(problem)}")
    return CommentFailed(
        f"{issue}: {no_answer(api_url, problem)}; look whether the comment is there"
    )


def _meaning(status: int) -> str:
    match status:
        case 401:
            why = "the token is wrong or has expired"
        case 403 | 429:
            why = (
                "the token may not comment there, the issue is locked, or too much "
                "was asked for now"
            )
        case 404 | 410:
            why = "there is no such issue, or the token may not see it"
        case 422:
            why = "GitHub does not take this comment"
        case _:
            why = "GitHub failed"
    return f"{why} (status {status})"


def _safe(url: str) -> bool:
    """Whether a token may be sent there: encrypted, or to this machine alone."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        good = bool(host) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        return False
    return good and (
        parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
