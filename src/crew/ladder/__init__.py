"""The ladder: who tries a task, in which order, and what follows a verdict (pure)."""

from crew.ladder.planning import is_audited, plan
from crew.ladder.rates import Rate, Rates, Unmeasured
from crew.ladder.steps import Climb, End, Ladder, Move, Place, Retry, Step, after, mends
from crew.ladder.work import ANY_KIND, kind_for, kind_of, planned_kind

__all__ = [
    "ANY_KIND",
    "Climb",
    "End",
    "Ladder",
    "Move",
    "Place",
    "Rate",
    "Rates",
    "Retry",
    "Step",
    "Unmeasured",
    "after",
    "is_audited",
    "kind_for",
    "kind_of",
    "mends",
    "plan",
    "planned_kind",
]
