"""Cheaper deployments alone: what goes on when a budget says `downgrade`."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from crew.guard.budgets import DOWNGRADE
from crew.guard.shut import Shut
from crew.settings import Deployment


def in_order(
    candidates: Sequence[Deployment],
    others: Callable[[], Sequence[Deployment]],
    shut: Sequence[Shut],
    usd: Callable[[Deployment], Decimal],
) -> Iterator[Deployment]:
    """The deployments to ask, while `shut` grows by those that are closed. Once a
    budget has said to go on with cheaper ones, only those: of the candidates, then of
    the `others`. `usd` is what the call costs at one."""

    def is_cheap(deployment: Deployment) -> bool:
        dear = [usd(one.deployment) for one in shut if _downgrades(one)]
        return not dear or usd(deployment) < min(dear)

    yield from (one for one in candidates if is_cheap(one))
    if any(map(_downgrades, shut)):
        yield from (one for one in others() if is_cheap(one))


def _downgrades(shut: Shut) -> bool:
    return shut.budget is not None and shut.budget.then == DOWNGRADE
