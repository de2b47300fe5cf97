"""The ladder: who tries a task, in which order, and what follows a verdict (pure)."""

from crew.ladder.planning import is_audited, kind_of, plan
from crew.ladder.rates import Rate, Rates, Unmeasured
from crew.ladder.steps import Climb, End, Ladder, Move, Place, Retry, Step, after, mends

__all__ = [
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
    "kind_of",
    "mends",
    "plan",
]
