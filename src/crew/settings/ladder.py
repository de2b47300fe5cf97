"""What follows a failed gate, as tiers.yaml says it under `ladder`."""

from dataclasses import dataclass, field
from decimal import Decimal

ALWAYS, NEVER = "always", "never"
ORDERS = ("measured", "fixed")
START, BEST = "start", "best"
HANDOVERS = (START, BEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtMost:
    """The bound of all escalations: a share of the failed tasks, from 0 to 1, or US
    dollars a day. None: no such bound."""

    share: Decimal | None = None
    usd_a_day: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """Whether a failed task goes to the next step, by its complexity."""

    high: bool = True
    medium: bool = True
    low: bool = True
    at_most: AtMost = field(default_factory=AtMost)

    def allows(self, complexity: str) -> bool:
        """Whether work of this complexity is escalated at all."""
        return bool(getattr(self, complexity))


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderSpec:
    """How work climbs from cheap deployments to the premium.

    `cheap_steps` are the most that stand before the premium, and `retries` how often
    the same model gets the reason back at each step. `premium` is a tier; None: the
    tier `senior`, where there is one. `order` is `measured` or `fixed`. `hour_is_worth`
    is in US dollars. An attempt ends after `attempt_calls` calls or, where that is
    None, after `attempt_times` the median of those that passed. `audit` is the share of
    the tasks, from 0 to 1, that go to the premium first. `handover` is the state of the
    files from which a further step begins: `start` or `best`.
    """

    cheap_steps: int = 2
    retries: int = 1
    premium: str | None = None
    order: str = ORDERS[0]
    hour_is_worth: Decimal = Decimal(0)
    attempt_times: float = 5.0
    attempt_calls: int | None = None
    audit: Decimal = Decimal(0)
    handover: str = HANDOVERS[0]
    escalate: Escalation = field(default_factory=Escalation)
