"""Experiments: which arm a task gets, and what the outcomes say so far (pure)."""

from crew.experiments.deciding import Duel, Finding, Metric, find
from crew.experiments.drawing import Draw, drawn
from crew.experiments.outcomes import Outcome, Record, read
from crew.experiments.summaries import ArmSummary, Interval

__all__ = [
    "ArmSummary",
    "Draw",
    "Duel",
    "Finding",
    "Interval",
    "Metric",
    "Outcome",
    "Record",
    "drawn",
    "find",
    "read",
]
