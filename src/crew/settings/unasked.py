"""What a run is given and no text asks for: put to the first task, so that it reaches
a model (pure)."""

from collections.abc import Iterator
from dataclasses import replace

from crew.settings.inputs import Inputs
from crew.settings.values import Settings, TaskSpec

_TEXTS = {
    "request": "The request: {request}",
    "repositories": "Repositories in the workspace: {repositories}",
    "images": "Images in the workspace: {images}",
}


def put_to_first(settings: Settings, inputs: Inputs) -> tuple[Settings, list[str]]:
    """The settings with the first task asking for what no other text does, and one
    line about each."""
    running = [task for task in settings.tasks.values() if _runs(task, inputs)]
    asked = "\n".join(_texts(settings, running))
    missing = [
        name
        for name, given in (
            ("request", inputs.request.strip()),
            ("repositories", inputs.repositories),
            ("images", inputs.images),
        )
        if given and f"{{{name}}}" not in asked
    ]
    if not missing or not running:
        return settings, []
    first = running[0]
    added = "\n".join(_TEXTS[name] for name in missing)
    grown = replace(first, description=f"{first.description.rstrip()}\n\n{added}")
    lines = [
        f"no text of tasks.yaml has {{{name}}}; it is put to the first task, "
        f"{first.name}"
        for name in missing
    ]
    return replace(settings, tasks={**settings.tasks, first.name: grown}), lines


def _runs(task: TaskSpec, inputs: Inputs) -> bool:
    return task.when != "images" or bool(inputs.images)


def _texts(settings: Settings, tasks: list[TaskSpec]) -> Iterator[str]:
    for task in tasks:
        yield from (task.description, task.expected_output)
    for role in settings.roles.values():
        yield from (role.role, role.goal, role.backstory)
