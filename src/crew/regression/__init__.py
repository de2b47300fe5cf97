"""Whether a deployment got worse than it was: values in, values out."""

from crew.regression.detector import Change, Outcome, find
from crew.regression.intervals import Interval, difference, mean_interval, share
from crew.regression.signals import SIGNALS, Served, Signal, error_outcomes, speeds
from crew.regression.wording import change_text

__all__ = [
    "SIGNALS",
    "Change",
    "Interval",
    "Outcome",
    "Served",
    "Signal",
    "change_text",
    "difference",
    "error_outcomes",
    "find",
    "mean_interval",
    "share",
    "speeds",
]
