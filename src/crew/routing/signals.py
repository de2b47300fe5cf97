"""What a strategy goes by, as values: the guard reads them, once for each decision."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from crew.quota.limits import Limit, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What is left of a deployment's tightest window: the share from 0 to 1, the limit
    and its pool. `limit` is None where it has no window."""

    share: float
    limit: Limit | None = None
    pool: str = ""

    def __str__(self) -> str:
        if self.limit is None:
            return "no window limits it"
        return f"{self.share:.0%} left of {self.limit} ({self.pool})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long calls of this size took: the median and half the interquartile range,
    in seconds."""

    calls: int
    median: float
    spread: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What an attempt is worth by the ladder's rule, p x P - c, in US dollars."""

    usd: float
    p: float
    price: float
    rest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Warm:
    """The deployment that served the task's last call, and how many tokens of this
    request it still has in its cache."""

    deployment: str
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What is known at one moment, by the names of deployments.

    `expected` is what the call would take, `left` what is left of the tightest window,
    `in_flight` how many calls are under way; `times` and `worth` lack what nobody
    measured. `hour_is_worth` is in US dollars.
    """

    expected: Mapping[str, Usage] = field(default_factory=dict)
    left: Mapping[str, Left] = field(default_factory=dict)
    in_flight: Mapping[str, int] = field(default_factory=dict)
    times: Mapping[str, Times] = field(default_factory=dict)
    worth: Mapping[str, Worth] = field(default_factory=dict)
    warm: Warm | None = None
    hour_is_worth: float = 0.0
