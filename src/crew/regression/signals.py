"""What is watched of a deployment: gates, errors, speed; each becomes good or not."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from crew.regression.detector import Outcome

FAULTS = ("Overloaded", "TimedOut", "BadAnswer")
"""The failures of a call that are the provider's fault, and say how well a deployment
works. Not a refusal for a limit, a key or money, nor a request at fault, nor a network
that is down here: those would be a regression of every deployment at once."""
UNAVAILABLE = (*FAULTS, "Unreachable", "ModelGone", "OutOfMoney")
"""The failures for which a deployment was not available, whosever fault it was. A limit
that was hit is not among them: the guard waits for it, or takes another."""
PER_ANSWER = 50
"""Tokens that an answer counts as longer than it is: even an empty one takes time."""
QUICK = 0.9
"""The quantile of the earlier ones above which a task counts as slow."""
PAST = 100
LEAST = 30
"""How many earlier ones the quantile is taken from, at most and at least."""


class Signal(StrEnum):
    """One thing that may get worse."""

    GATES = "gates"
    ERRORS = "errors"
    LATENCY = "latency"


SIGNALS = tuple(Signal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What one deployment did in one task: how many calls it answered, how many failed
    by the provider's fault, and what the answers took. `at` is when, in seconds since
    the epoch; `group` is the kind of tasks it is compared with."""

    at: float
    group: str
    answers: int
    faults: int
    seconds: float
    output_tokens: int


def error_outcomes(served: Iterable[Served]) -> list[Outcome]:
    """Good is a task in which no call failed by the provider's fault.

    By task and not by call: failures come in bursts, and calls of one minute are not
    independent of each other.
    """
    return [
        Outcome(good=not one.faults, at=one.at, group=one.group)
        for one in served
        if one.answers or one.faults
    ]


def speeds(served: Iterable[Served]) -> list[Outcome]:
    """Good is a task that was not slower than nine of ten earlier ones of its group,
    in seconds for each token of the answers.

    By a quantile, as times have no shape that one could rely on, and one hanging call
    must not count for more than one; by the token, as a long answer takes longer.
    """
    before: dict[str, deque[float]] = {}
    found = []
    for one in served:
        if not one.answers:
            continue
        pace = one.seconds / (one.output_tokens + PER_ANSWER * one.answers)
        earlier = before.setdefault(one.group, deque(maxlen=PAST))
        if len(earlier) >= LEAST:
            good = pace <= _quantile(earlier)
            found.append(Outcome(good=good, at=one.at, group=one.group))
        earlier.append(pace)
    return found


def _quantile(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered), ceil(QUICK * (len(ordered) + 1))) - 1]
