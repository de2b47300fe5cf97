"""What is known of a deployment at one kind of work, and who knows it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

ENOUGH = 10
"""Outcomes of a deployment below which the order of the YAML holds."""
HARDER = Decimal("1.15")
"""What a task that failed before costs the premium, times its average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What is known of a deployment at one kind of work.

    `outcomes` is how many first attempts that is taken from. `passes` is the upper
    bound of their pass rate, and `share` the rate itself; `further` is the bound for
    attempts at tasks that another step failed, and `mends` that of a try with the
    reason; None: nobody knows. `usd` and `seconds` are of one attempt. `source` says
    where the pass rate comes from, `priced` where the price does.
    """

    outcomes: int = 0
    passes: Decimal | None = None
    share: Decimal | None = None
    further: Decimal | None = None
    mends: Decimal | None = None
    usd: Decimal | None = None
    seconds: Decimal | None = None
    source: str = "no outcome"
    priced: str = "no attempt"

    @property
    def is_measured(self) -> bool:
        """Whether there are enough outcomes to go by."""
        return self.outcomes >= ENOUGH and self.passes is not None


class Rates(Protocol):
    """The pass rates and prices of attempts, such as the journal's."""

    def of(
        self, deployment: str, kind: str | None, complexity: str, trust: str
    ) -> Rate:
        """What is known of a deployment at this kind of work, where the strongest
        gate has this trust."""
        ...


class Unmeasured:
    """No outcome at all: every ladder is the YAML's."""

    def of(
        self, deployment: str, kind: str | None, complexity: str, trust: str
    ) -> Rate:
        return Rate()
