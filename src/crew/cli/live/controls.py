"""What the keys of a live view do to the run that it shows."""

from decimal import Decimal
from typing import TYPE_CHECKING

from crew.cli.live.terminal import interrupt
from crew.cli.live.view import Controls
from crew.errors import CrewError
from crew.quota.limits import NANO, Metric, WindowKind
from crew.settings import Settings
from crew.workspace.so_far import changed_so_far

if TYPE_CHECKING:
    from crew.runs.ending import Underway


def controls(underway: "Underway") -> Controls:
    """The controls of a run of this process."""

    def diff() -> str:
        try:
            return changed_so_far(underway.workspace)
        except CrewError as exc:
            return str(exc)

    return Controls(stop=interrupt, pause=underway.run.pause, diff=diff)


def budget_of_run(settings: Settings) -> Decimal | None:
    """The limit of money of one run, in US dollars."""
    amounts = [
        Decimal(limit.amount) / NANO
        for limit in settings.budgets
        if limit.kind is WindowKind.RUN and limit.metric is Metric.USD
    ]
    return min(amounts, default=None)


def asks_a_person(settings: Settings) -> bool:
    """Whether a task reads what a person types: then no key may be taken away."""
    return any(task.options.get("human_input") for task in settings.tasks.values())
