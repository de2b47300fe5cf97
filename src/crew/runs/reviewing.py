"""A sample of answers for a person's marks: mixed, and without who wrote them."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from crew.errors import SettingsError, WorkspaceError
from crew.journal import Answered, MarkRecord
from crew.runs.directory import RunDirectory
from crew.settings import Settings
from crew.workspace import Workspace
from crew.workspace.attempts import shown

BLIND = "[model]"
SHORTEST = 3
"""Letters of a model's family that is masked."""
_WORDS = ("auto", "big", "command", "nova", "own", "small", "text")
"""Words with which ids of models begin, and that are in every text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer as a person sees it: what was asked, the result, and what changed.
    `id` names it without saying whose it is."""

    id: str
    of: Answered
    request: str
    asked: str
    result: str
    diff: str

    def document(self) -> dict[str, object]:
        """The answer as JSON, without who wrote it."""
        return {
            "id": self.id,
            "request": self.request,
            "task": self.of.task,
            "asked": self.asked,
            "kind": self.of.kind,
            "complexity": self.of.complexity,
            "result": self.result,
            "diff": self.diff,
        }


def answer_id(of: Answered) -> str:
    """A name for an answer that is always the same."""
    return hashlib.sha256(f"{of.run}\0{of.task}".encode()).hexdigest()[:12]


def sample(
    settings: Settings,
    answered: Sequence[Answered],
    marks: Iterable[MarkRecord],
    most: int,
) -> list[Answer]:
    """At most so many answers that this user has not marked, of all deployments, kinds
    and complexities alike, in no order that says anything. Answers whose files are
    gone are left out."""
    mine = [one for one in marks if one.user == settings.user]
    known = {(one.run, one.task) for one in mine}
    taken = Counter((one.deployment, one.kind, one.complexity) for one in mine)
    waiting: dict[tuple[str, str | None, str], list[Answered]] = {}
    for one in sorted(answered, key=answer_id, reverse=True):
        if (one.run, one.task) not in known:
            place = (one.deployment, one.kind, one.complexity)
            waiting.setdefault(place, []).append(one)
    found: list[Answer] = []
    names = _names(settings)
    while waiting and len(found) < most:
        place = min(waiting, key=lambda key: (taken[key], answer_id(waiting[key][-1])))
        answer = _answer(settings, waiting[place].pop(), names)
        if not waiting[place]:
            del waiting[place]
        if answer is not None:
            taken[place] += 1
            found.append(answer)
    return sorted(found, key=lambda one: one.id)


def _answer(
    settings: Settings, of: Answered, names: re.Pattern[str] | None
) -> Answer | None:
    """The answer with its texts; None where they are gone."""
    directory = RunDirectory(Path(of.output), settings.secrets)
    try:
        result = directory.results([of.task])[of.task]
        request = directory.beginning().inputs.request
    except (KeyError, OSError, UnicodeDecodeError, SettingsError):
        return None
    spec = settings.tasks.get(of.task)
    asked = spec.description.replace("{request}", request) if spec is not None else ""

    def seen(text: str) -> str:
        masked = settings.secrets.masked(text)
        return names.sub(BLIND, masked) if names is not None else masked

    return Answer(
        id=answer_id(of),
        of=of,
        request=settings.secrets.masked(request),
        asked=settings.secrets.masked(asked),
        result=seen(result),
        diff=seen(_diff(directory, of)),
    )


def _diff(directory: RunDirectory, of: Answered) -> str:
    try:
        workspace = Workspace.recorded(directory.workspace, of.run)
        return shown(workspace.repositories, of.run, of.task, of.number)
    except (WorkspaceError, OSError):
        return ""


def _names(settings: Settings) -> re.Pattern[str] | None:
    """Every name by which a text may say which model wrote it."""
    found = sorted(set(_every_name(settings)), key=len, reverse=True)
    if not found:
        return None
    either = "|".join(map(re.escape, found))
    return re.compile(rf"(?<!\w)(?:{either})(?!\w)", re.IGNORECASE)


def _every_name(settings: Settings) -> Iterator[str]:
    for deployment in settings.deployments.values():
        yield deployment.model
        model = deployment.model.rpartition("/")[2]
        for name in (model, deployment.name):
            if set(name) & set("-.:0123456789"):  # else it may be any word
                yield name
        family = re.match(r"[A-Za-z]+", model)
        word = family[0] if family is not None else ""
        if len(word) >= SHORTEST and word.casefold() not in _WORDS:
            yield word
