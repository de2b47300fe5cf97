"""The end of a run for a person: what changed, what proved it, what is open, and the
commands that go on."""

import re
import shlex
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from crew.reports.verdicts import FAILED, NOTHING, PASSED, Found, verdicts_of

WIDTH = 80
FILES_SHOWN = 20
_NAME_CHARACTERS = 56


def changed_lines(workspace: Mapping[str, Any]) -> Iterator[str]:
    """What a run changed: files and lines of each repository, and its branch."""
    if "repositories" not in workspace:
        if Path(workspace["path"]).is_dir():
            text = f"What changed is not recorded; the files are in {workspace['path']}"
            yield from _wrapped(text)
        return
    for one in workspace["repositories"]:
        yield from _repository(one)
    files = workspace.get("files", [])
    if files:
        outside = "Written outside the repositories, in" if _any(workspace) else ""
        yield from _wrapped(f"{outside or 'Written in'} {workspace['path']}:")
        yield from _some([f"  {_short(name)}" for name in files])
    if not files and not _any(workspace):
        yield "No file was written."


def proof_lines(tasks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Whether anything proved the work: what the gates of each task found."""
    rows: list[str] = []
    tests: set[str] = set()
    for task in tasks:
        found = list(verdicts_of(task["gates"]))
        tests |= {one.verdict for one in found if one.trust == "tests"}
        said = [_named(found, PASSED), _named(found, FAILED), _doubt(found)]
        if any(said):
            rows.append(f"  {task['name']}: {'; '.join(filter(None, said))}")
    if PASSED in tests or any(task["status"] == "proved" for task in tasks):
        yield "Proved by checks that ran:"
    elif FAILED in tests:
        yield "Not proved: a check failed. What was looked at:"
    elif NOTHING in tests:
        yield "Not proved: no check could tell. What was looked at:"
    elif rows:
        yield "Not proved: no check ran. What was looked at:"
    else:
        yield "Not proved: no check ran, and no gate passed."
    for row in rows:
        yield from _wrapped(row, indent="    ")


def _named(found: Sequence[Found], verdict: str) -> str:
    """The gates with this verdict, and what each is worth."""
    names = [
        f"{one.gate} ({one.trust})" if one.trust else one.gate
        for one in found
        if one.verdict == verdict
    ]
    return f"{verdict} {', '.join(names)}" if names else ""


def _doubt(found: Sequence[Found]) -> str:
    """Why checks did not decide, where they said so."""
    return "; ".join(
        f"{one.gate}: {one.reason}"
        for one in found
        if one.verdict == NOTHING and one.trust == "tests" and one.reason
    )


def open_lines(document: Mapping[str, Any]) -> Iterator[str]:
    """What is open: tasks that are not done or not proved, deployments that are waited
    for, files that are in no commit, and what else the run noticed."""
    lines: list[str] = []
    for entry in document.get("failures", []):
        if entry["what"] == "task":
            # The error of the run has all of it.
            reason = entry["reason"].strip().partition("\n")[0]
            lines.append(f"{entry['task']} failed: {reason}")
    lines += [
        f"{task['name']} is unproved: {_doubt(found) or 'no check looked at it'}"
        for task in document["tasks"]
        if task["status"] == "unproved"
        for found in [list(verdicts_of(task["gates"]))]
    ]
    if document.get("open"):
        lines.append(f"not done yet: {', '.join(document['open'])}")
    lines += [
        f"{entry['deployment']} opens at {entry['opens_at']} ({entry['limit']})"
        for entry in document.get("closed", [])
        if entry["opens_at"] is not None
    ]
    for one in document["workspace"].get("repositories", ()):
        if ignored := one.get("ignored"):
            names = ", ".join(ignored[:FILES_SHOWN])
            lines.append(f"git ignores, so in no commit: {names}; in {one['path']}")
    lines += document.get("notices", ())
    if lines:
        yield "Open:"
    for line in lines:
        yield from _wrapped(f"  {line}", indent="    ")


def next_commands(document: Mapping[str, Any], config: str | None = None) -> list[str]:
    """The commands that go on after a run that changed something, to be copied."""
    repositories = document["workspace"].get("repositories", ())
    crew = f"crew --config {shlex.quote(config)}" if config else "crew"
    run = document["run"]
    if not any(one["files"] or one.get("ignored") for one in repositories):
        return []
    if document["rehearsal"]:
        return [f"{crew} diff {run}"]
    return [f"{crew} diff {run}", f"{crew} apply {run}"]


def count_of(files: int, insertions: int, deletions: int) -> str:
    """The figures of a change."""
    return f"{files:,} file{'s' * (files != 1)}, +{insertions:,} -{deletions:,}"


def _repository(one: Mapping[str, Any]) -> Iterator[str]:
    source = one["source"]
    if not one.get("compared", True):
        yield from _wrapped(f"{source} is in no commit: see the copy {one['path']}")
        return
    if not one["files"]:
        yield from _wrapped(f"nothing changed in {source}")
        return
    where = f", branch {one['branch']}" if one["branch"] else f", in {one['path']}"
    figures = count_of(one["files"], one["insertions"], one["deletions"])
    yield from _wrapped(f"Changed in {source}:")
    yield from _wrapped(f"  {figures}{where}")
    rows = [
        f"  {_short(file['path']):<{_NAME_CHARACTERS}} {_lines(file)}".rstrip()
        for file in one.get("changed", ())
    ]
    yield from _some(rows)


def _lines(file: Mapping[str, Any]) -> str:
    if file["insertions"] is None:
        return "not text"
    return f"+{file['insertions']:,} -{file['deletions']:,}"


def _some(rows: Sequence[str]) -> Iterator[str]:
    yield from rows[:FILES_SHOWN]
    if len(rows) > FILES_SHOWN:
        yield f"  and {len(rows) - FILES_SHOWN:,} more"


def _any(workspace: Mapping[str, Any]) -> bool:
    return bool(workspace["repositories"])


def _short(name: str) -> str:
    """The name of a file on one line, its end in any case."""
    name = name.replace("\n", "\\n").replace("\t", "\\t")
    room = _NAME_CHARACTERS
    return name if len(name) <= room else f"...{name[-(room - 3) :]}"


def _wrapped(text: str, indent: str = "  ") -> list[str]:
    """Lines of at most WIDTH columns; of a long path the end is shown."""
    room = WIDTH - len(indent)
    text = re.sub(
        rf"\S{{{room + 1},}}", lambda long: f"...{long[0][-(room - 3) :]}", text
    )
    return textwrap.wrap(
        text,
        WIDTH,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    ) or [""]
