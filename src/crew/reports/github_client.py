"""One request to GitHub by PyGithub: no retry, no word of the answer in an error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SECONDS = 15
Problem = int | str
"""The status of a refusal, or the class of an error without an answer."""


@contextmanager
def asking(
    token: str, api_url: str, failed: Callable[[Problem], Exception]
) -> Iterator[Any]:
    """A `github.Github` for one request; what goes wrong is raised as `failed` says."""
    import github  # an extra; most runs ask for nothing there

    client = github.Github(
        auth=github.Auth.Token(token),
        base_url=api_url,
        timeout=SECONDS,
        retry=None,
        lazy=True,  # one request: nothing is read before it is needed
    )
    try:
        yield client
    except github.GithubException as exc:
        # Without its cause: that holds the server's answer, word by word.
        raise failed(exc.status) from None
    except Exception as exc:
        # PyGithub lets through what requests raises, and asserts.
        raise failed(type(exc).__name__) from None
    finally:
        client.close()


def no_answer(api_url: str, error: str) -> str:
    """The words for an error without an answer."""
    return f"no answer to rely on from {api_url} ({error})"
