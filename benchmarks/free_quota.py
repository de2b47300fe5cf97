"""Free requests saved for large calls: what it saves against first come, first served.

    uv run python benchmarks/free_quota.py AzureLLMInferenceTrace_code.csv.gz

Calls of the cheap tier of `team_day.py` (its free models without the one that counts
tokens, then its cheap ones), as they come in the trace, on a clock by hand, judged by
the emulator's windows. `known day`: the journal has a day before, with the same number
of calls in another order; `first day`: it has none.

Controls on the same calls: `first come`; `shuffled`: the same share of the calls of
each hour leaves its free request to others, chosen at random (mean of `--seeds`); and a
bound, by who knows the whole day: the dearest calls are free, as many as first come
served free.
"""

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from statistics import mean

from tables import table
from team_day import (
    MID,
    MODELS,
    MORNING,
    USERS,
    Arrival,
    Day,
    Hands,
    arrivals,
    configured,
)

from crew.guard import QuotaGuard
from crew.journal import ServedCall
from crew.quota.stores import open_store
from crew.routing import Request
from crew.settings import Settings
from crew.settings.strategies import FIRST_COME, SAVE_FOR_LARGE

CHAIN = tuple(name for name in MID if name != "llama-quick")
FREE = tuple(name for name in CHAIN if MODELS[name].price == ("0", "0"))
PAID = next(name for name in CHAIN if name not in FREE)
HOUR, DAY = 3_600.0, 86_400.0


def settled(free_quota: str, user: str) -> Settings:
    """The settings of one user."""
    made = configured("priority", user)
    mid = replace(made.tiers["mid"], chain=CHAIN)
    tiers = {**made.tiers, "mid": mid}
    return replace(made, free_quota=free_quota, tiers=tiers)


@dataclass(slots=True)
class Quota(Day):
    """A day by one policy. `forced` are the calls that ask the paid model first, for
    the control; `moved` are those that did."""

    free_quota: str = FIRST_COME
    forced: frozenset[int] = frozenset()
    moved: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        # Not super(): a dataclass with slots is made anew.
        Day.__post_init__(self)
        self.guards = {
            user: QuotaGuard(
                settled(self.free_quota, user),
                self.store,
                self.clock,
                record=self.known,
            )
            for user in USERS
        }

    def request(self, arrival: Arrival, guard: QuotaGuard) -> Request:
        made = Day.request(self, arrival, guard)
        if id(arrival) in self.forced:
            made = replace(made, chain=(PAID, *FREE))
        if guard.begin(made).route.candidates[0].name == PAID:
            self.moved.add(id(arrival))
        return made


def passed(
    calls: Sequence[Arrival],
    before: Sequence[ServedCall],
    free_quota: str,
    forced: frozenset[int] = frozenset(),
) -> Quota:
    """The day, by one policy."""
    clock = Hands()
    day = Quota(
        "priority",
        clock,
        open_store("memory:", clock),
        free_quota=free_quota,
        forced=forced,
    )
    day.known.calls += before
    clock.run([(one.at, lambda one=one: day.call(one)) for one in calls])
    return day


def yesterday(calls: Sequence[Arrival]) -> list[ServedCall]:
    """As many calls, a day before; their sizes in another order."""
    sizes = [(one.input_tokens, one.output_tokens) for one in calls]
    random.Random(23).shuffle(sizes)
    return [
        ServedCall(
            deployment=PAID,
            input_tokens=sent,
            output_tokens=written,
            seconds=1.0,
            failed=False,
            at=one.at - DAY,
        )
        for one, (sent, written) in zip(calls, sizes, strict=True)
    ]


def at_random(day: Quota, calls: Sequence[Arrival], seed: int) -> frozenset[int]:
    """Of each hour as many calls as left their free request to others."""
    chance, found = random.Random(seed), []
    for hour in range(24):
        here = [id(one) for one in calls if (one.at - MORNING) // HOUR == hour]
        found += chance.sample(here, sum(one in day.moved for one in here))
    return frozenset(found)


class Figures:
    """What a day cost, beside the same calls at the paid model alone."""

    def __init__(self, calls: Sequence[Arrival]) -> None:
        self._prices = configured("priority", "").deployments
        self._calls = calls
        self.paid_alone = sum(self._usd(PAID, one) for one in calls)

    def _usd(self, name: str, one: Arrival) -> Decimal:
        price = self._prices[name].price
        return price.cost(one.input_tokens, one.output_tokens) if price else Decimal(0)

    def share(self, day: Quota) -> float:
        """The share of the money that is saved."""
        cost = sum(self._usd(name, one) for one, name, _ in day.seen.served)
        return float(1 - cost / self.paid_alone)

    def bound(self, free: int) -> float:
        """The same where the dearest calls are free, so many."""
        dearest = sorted((self._usd(PAID, one) for one in self._calls), reverse=True)
        return float(sum(dearest[:free]) / self.paid_alone)


def free_calls(day: Quota) -> int:
    return sum(name in FREE for _, name, _ in day.seen.served)


def rows(path: Path, load: float, seeds: int) -> list[list[str]]:
    """The figures of a day at one load."""
    calls = [one for one in arrivals(path, load) if one.job.tier == "mid"]
    figures = Figures(calls)
    first = passed(calls, [], FIRST_COME)
    found = [("first come", first, figures.share(first))]
    for name, before in (("known day", yesterday(calls)), ("first day", [])):
        day = passed(calls, before, SAVE_FOR_LARGE)
        found.append((name, day, figures.share(day)))
        random_days = [
            passed(calls, before, FIRST_COME, at_random(day, calls, seed))
            for seed in range(seeds)
        ]
        shares = [figures.share(one) for one in random_days]
        found.append((f"{name}, shuffled", random_days[0], mean(shares)))
    return [
        [
            f"{load:g}",
            name,
            str(len(calls)),
            str(free_calls(day)),
            f"{share:.1%}",
            str(day.seen.refused),
            str(day.seen.failed),
        ]
        for name, day, share in found
    ] + [
        [
            f"{load:g}",
            "bound",
            str(len(calls)),
            str(free_calls(first)),
            f"{figures.bound(free_calls(first)):.1%}",
            "",
            "",
        ]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trace", type=Path)
    parser.add_argument("--load", type=float, nargs="+", default=[1, 3, 10])
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    found = []
    for load in given.load:
        found += rows(given.trace, load, given.seeds)
    table(
        ("load", "policy", "calls", "free calls", "money saved", "refusals", "failed"),
        found,
    )


if __name__ == "__main__":
    main()
