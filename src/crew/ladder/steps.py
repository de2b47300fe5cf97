"""The steps of a ladder, and what follows a verdict (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from crew.ladder.rates import Rate

PRIOR_RETRY = {"tests": Decimal("0.4")}
"""How many of its failures the same model mends when it gets the reason."""
PRIOR_RETRY_OTHERWISE = Decimal("0.15")
HOPELESS = Decimal("0.1")
"""The upper bound of r below which the last step does not try again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: the deployments that serve it, in order, and what is known of the
    first.

    `counted` is the pass rate that counts at its place (p), `price` what an attempt
    costs with its time (c), `rest` what going on without it costs (P), and `onward`
    what going on costs once it failed; None: nobody knows. `why` is why it stands
    where it stands.
    """

    name: str
    deployments: tuple[str, ...]
    is_premium: bool = False
    rate: Rate = field(default_factory=Rate)
    counted: Decimal | None = None
    price: Decimal | None = None
    rest: Decimal | None = None
    onward: Decimal | None = None
    why: str = "the order of the YAML"

    @property
    def gain(self) -> Decimal | None:
        """p x P - c; None where a number is missing."""
        if self.counted is None or self.price is None or self.rest is None:
            return None
        return self.counted * self.rest - self.price


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """The steps of a task. `retries` is how often the same model is told the reason
    and tries again; `stays` says why no further step is climbed, where that is so.
    `left_out` are the names of steps that do not stand in it, and why."""

    steps: tuple[Step, ...]
    retries: int
    trust: str
    stays: str = ""
    left_out: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a task stands: at which step, and how many attempts it made there."""

    step: int = 0
    tries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The same model tries again, and knows the reason."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Climb:
    """The next step tries."""

    step: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Nobody else tries."""

    why: str


Move = Retry | Climb | End


def after(
    ladder: Ladder,
    place: Place,
    *,
    closed: Sequence[int] = (),
    gone: Sequence[int] = (),
    bound: str = "",
) -> Move:
    """What follows a failed attempt. `closed` are the steps that no deployment serves
    now, `gone` those that waiting does not open, `bound` why no more work may be
    escalated."""
    here = ladder.steps[place.step] if ladder.steps else None
    if place.tries <= ladder.retries and (here is None or _mends(here, ladder)):
        return Retry(why=f"the reason goes back ({place.tries} of {ladder.retries})")
    above = range(place.step + 1, len(ladder.steps))
    if not above:
        return End(why="there is no further step")
    if ladder.stays or bound:
        return End(why=ladder.stays or bound)
    for step in above:
        if step not in closed and step not in gone:
            return Climb(step=step, why=f"{ladder.steps[step].name} is the next step")
    for step in above:
        if step not in gone:
            return Climb(step=step, why="every further step is closed for now")
    return End(why="no further step can serve it")


def _mends(step: Step, ladder: Ladder) -> bool:
    """Whether a try with the reason is worth its price: r x P > c."""
    if ladder.stays or step.is_premium:
        # Nobody comes after it, so there is no price to compare with.
        return step.rate.mends is None or step.rate.mends >= HOPELESS
    if not step.rate.is_measured or step.price is None or step.onward is None:
        return True  # with few outcomes, or without prices, the YAML holds
    return mends(step, ladder.trust) * step.onward > step.price


def mends(step: Step, trust: str) -> Decimal:
    """How many of its failures the step's deployment mends with the reason (r)."""
    if step.rate.mends is not None:
        return step.rate.mends
    return PRIOR_RETRY.get(trust, PRIOR_RETRY_OTHERWISE)
