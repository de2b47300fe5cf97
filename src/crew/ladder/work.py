"""What a task's work is: its kind, and a default for its complexity (pure).

The YAML goes before all of it. A default is for printing and for a person to correct:
a score of words and length tells hard work from easy work hardly better than chance.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from crew.settings import COMPLEXITIES, Inputs, Role, Settings, TaskSpec
from crew.settings.placeholders import names
from crew.settings.values import HIGH, IN_YAML, LOW, MEDIUM, OPEN
from crew.texts.named_paths import named_paths

ANY_KIND = "any"
"""The kind of a task whose role the manager has not chosen yet."""
LONG, SHORT = 300, 30
"""Words from which a request is long, and up to which it is short."""
MANY_FILES = 5
"""Files from which a request concerns many."""
_HARD = re.compile(
    r"\b(architectur\w*|complex|coordinat\w+|cross-repository|debug\w*|integrat\w+"
    r"|refactor\w*)\b",
    re.IGNORECASE,
)
_EASY = re.compile(
    r"\b(docstrings?|narrow|quick(?:ly)?|renam(?:e|es|ing)|simple|small|typos?)\b",
    re.IGNORECASE,
)
_SHOWN = 3
"""Words that a reason names at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Complexity:
    """How complex a task's work is, and why that is assumed."""

    level: str
    reason: str


def kind_of(settings: Settings, task: TaskSpec, role: str = "") -> str | None:
    """The kind of a task's work: its own, else that of its role, else that of the
    `role` that did it; None where that role has none."""
    found = settings.roles.get(task.agent or role)
    return task.kind or (found.kind if found is not None else None)


def kind_for(settings: Settings, role: Role, task: TaskSpec | None) -> str | None:
    """The kind of a role's calls for a task: that of the task where the role does it
    itself, be it that the manager chose it, and else the role's."""
    managed = settings.process == "hierarchical"
    manages = managed and role.name == settings.manager
    own = task is not None and (
        task.agent == role.name or (task.agent is None and not manages)
    )
    return (task.kind if task is not None and own else None) or role.kind


def planned_kind(settings: Settings, task: TaskSpec) -> str | None:
    """The kind of a task that nobody works on yet: `ANY_KIND` where that depends on
    whom the manager chooses."""
    if task.kind is None and task.agent is None:
        return ANY_KIND
    return kind_of(settings, task)


def default_complexity(text: str, *, repositories: int = 0) -> Complexity:
    """What a task is taken for whose YAML does not say it. The reason holds numbers and
    words of our own lists, and no other part of the text."""
    words, files = len(text.split()), len(set(named_paths(text)))
    hard, easy = _found(_HARD, text), _found(_EASY, text)
    if words >= LONG:
        hard.append(f"{words} words")
    if files >= MANY_FILES:
        hard.append(f"{files} files")
    if repositories > 1:
        hard.append(f"{repositories} repositories")
    if words <= SHORT and files == 1:
        easy.append(f"{words} words on one file")
    if hard and not easy:
        return Complexity(level=HIGH, reason=f"default: {', '.join(hard)}")
    if easy and not hard:
        return Complexity(level=LOW, reason=f"default: {', '.join(easy)}")
    signs = f"{', '.join(hard)}, but {', '.join(easy)}" if hard else "no sign in "
    size = "" if hard else f"{words} words, {files} files"
    return Complexity(level=MEDIUM, reason=f"default: {signs}{size}")


def _found(pattern: re.Pattern[str], text: str) -> list[str]:
    seen = dict.fromkeys(word.lower() for word in pattern.findall(text))
    return [f'"{word[:20]}"' for word in seen][:_SHOWN]


def decided(
    settings: Settings, inputs: Inputs, kept: Mapping[str, Complexity] = {}
) -> Settings:
    """The settings with a complexity for each task. `kept` are those of an earlier part
    of the run."""
    tasks = {
        name: task
        if task.complexity_reason != OPEN
        else _with(task, kept.get(name) or _default(task, inputs))
        for name, task in settings.tasks.items()
    }
    return replace(settings, tasks=tasks)


def _with(task: TaskSpec, found: Complexity) -> TaskSpec:
    return replace(task, complexity=found.level, complexity_reason=found.reason)


def _default(task: TaskSpec, inputs: Inputs) -> Complexity:
    """By what the task is given, or by its own text where it is given nothing."""
    texts = {**inputs.values, "request": inputs.request}
    asked = names(f"{task.description} {task.expected_output}")
    given = " ".join(texts[name] for name in asked if texts.get(name, "").strip())
    return default_complexity(
        given or task.description, repositories=len(inputs.repositories)
    )


def defaults(settings: Settings) -> dict[str, Complexity]:
    """The complexities that were decided here, and not by the YAML."""
    return {
        name: Complexity(level=task.complexity, reason=task.complexity_reason)
        for name, task in settings.tasks.items()
        if task.complexity_reason not in (IN_YAML, OPEN)
    }


def possible(task: TaskSpec) -> tuple[str, ...]:
    """The complexities that a task may turn out to have."""
    is_open = task.complexity_reason == OPEN
    return COMPLEXITIES if is_open else (task.complexity,)


def decided_lines(settings: Settings, inputs: Inputs) -> list[str]:
    """One line for each task of a run whose complexity the YAML does not give."""
    lines = []
    for name, found in defaults(settings).items():
        task = settings.tasks[name]
        if task.when == "images" and not inputs.images:
            continue
        kind = planned_kind(settings, task)
        work = f"{kind}.{found.level}" if kind else found.level
        lines.append(f"{name} counts as {work}, {found.reason}")
    return lines
