"""`crew pr`: a pull request for each repository that a run changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crew.errors import WorkspaceError
from crew.reports.github_comment import API_URL, GitHub
from crew.reports.github_pull import (
    PullFailed,
    body_of,
    host_of,
    is_repository,
    open_pull,
)
from crew.runs.applying import ready
from crew.runs.listing import ListedRun
from crew.runs.messages import subject
from crew.workspace.difference import Change
from crew.workspace.pushing import Remote, base_branch, push, remote


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """A pull request that can be opened. `repository` is OWNER/REPO."""

    repository: str
    title: str
    body: str
    head: str
    base: str
    source: Path
    remote: Remote


def pulls(
    run: ListedRun,
    document: Mapping[str, Any],
    *,
    to: str | None = None,
    base: str | None = None,
    api_url: str = API_URL,
) -> list[Pull]:
    """The pull requests of a run, one for each repository that it changed. `to` is the
    repository on GitHub, where the remote does not say it. Raises PullFailed and
    WorkspaceError; nothing is sent."""
    changes = [one for one in ready(run).changes() if one.branch and one.files]
    if not changes:
        raise PullFailed(f"run {run.run} changed no repository")
    if to is not None and (len(changes) > 1 or not is_repository(to)):
        raise PullFailed(f"{to!r}: name one OWNER/REPO, for a run that changed one")
    return [_pull(one, document, to, base, api_url) for one in changes]


def opened(pull: Pull, hub: GitHub) -> str:
    """Push the branch and open the pull request; returns its address. Raises
    WorkspaceError and PullFailed."""
    push(pull.source, pull.head, pull.remote, hub.token)
    return open_pull(
        hub,
        pull.repository,
        title=pull.title,
        body=pull.body,
        head=pull.head,
        base=pull.base,
    )


def _pull(
    change: Change,
    document: Mapping[str, Any],
    to: str | None,
    base: str | None,
    api_url: str,
) -> Pull:
    target = remote(change.source)
    name = to or target.name
    host = host_of(api_url)
    if target.host and target.is_https and target.host != host:
        raise PullFailed(
            f"{change.source}: origin is at {target.host}, and the token is for {host} "
            "(GITHUB_API_URL); it goes nowhere else"
        )
    if not is_repository(name):
        raise PullFailed(
            f"{change.source}: origin is not on GitHub; say where: --to OWNER/REPO"
        )
    base = base or base_branch(change.source, str(change.base))
    if base is None:
        raise PullFailed(
            f"{change.source}: say which branch to merge into: --base NAME"
        )
    return Pull(
        repository=name,
        title=subject(str(document.get("request") or f"crew run {document['run']}")),
        body=body_of(document, _files(document, change)),
        head=str(change.branch),
        base=base,
        source=change.source,
        remote=target,
    )


def _files(document: Mapping[str, Any], change: Change) -> Sequence[Mapping[str, Any]]:
    for one in document["workspace"]["repositories"]:
        if one["name"] == change.name:
            found: Sequence[Mapping[str, Any]] = one.get("changed", ())
            return found
    raise WorkspaceError(f"{change.source} is not in the record of the run")
