"""Those who follow how the work of tasks is judged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crew.ladder import Ladder, Rates, Unmeasured
from crew.settings import TaskSpec
from crew.tasks.attempt import Attempt

if TYPE_CHECKING:
    from crewai.tasks.task_output import TaskOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Those who follow.

    `done` gets each task that is done, its result and the attempt that was accepted.
    `attempted` gets each attempt once it is judged, with those before it and the
    ladder. `failed` gets the best attempt of a task that failed, and returns where its
    text is kept. `earlier` are the attempts of a part of the run that ended before.
    `keep` keeps how the files stand after an attempt, as number 0 before the first;
    `start` is how they stood then, and `restore` puts them back.
    `limit` is how many answers an attempt may take at a deployment, and `bound` why it
    may not be escalated (empty: it may), for the first time or again.
    """

    done: "Callable[[TaskSpec, TaskOutput, Attempt | None], None]" = (
        lambda spec, output, attempt: None
    )
    attempted: Callable[[TaskSpec, Sequence[Attempt], Ladder], None] = (
        lambda spec, history, ladder: None
    )
    failed: Callable[[TaskSpec, Attempt], str] = lambda spec, best: ""
    earlier: Callable[[TaskSpec], Sequence[Attempt]] = lambda spec: ()
    keep: Callable[[TaskSpec, int], Mapping[str, str]] = lambda spec, number: {}
    start: Callable[[TaskSpec], Mapping[str, str]] = lambda spec: {}
    restore: Callable[[Mapping[str, str]], None] = lambda commits: None
    rates: Rates = field(default_factory=Unmeasured)
    limit: Callable[[TaskSpec], int | None] = lambda spec: None
    bound: Callable[[TaskSpec, bool], str] = lambda spec, first: ""
