"""Budgets as values: a limit, whom it concerns, and what happens at its end."""

from dataclasses import dataclass
from decimal import Decimal

from crew.quota.limits import Limit, WindowKind

EACH = "each"
"""A budget for each role, user or team, and not for one of them."""
ACTIONS = ("downgrade", "wait", "ask", "stop")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A limit on the calls that fit all names that are given; empty: any. `warn` is
    the share of it from which an alert is raised, None: none. `then` is what happens
    at its end, one of ACTIONS; empty: as with any other limit."""

    limit: Limit
    role: str = ""
    user: str = ""
    team: str = ""
    tier: str = ""
    provider: str = ""
    warn: Decimal | None = None
    then: str = ""

    @property
    def scope(self) -> dict[str, str]:
        """The names that are given, by what they name."""
        names = {
            "role": self.role,
            "user": self.user,
            "team": self.team,
            "tier": self.tier,
            "provider": self.provider,
        }
        return {what: name for what, name in names.items() if name}

    @property
    def is_per_run(self) -> bool:
        """Whether it counts a single run."""
        return self.limit.kind is WindowKind.RUN
