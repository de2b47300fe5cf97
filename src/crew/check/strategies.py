"""How the deployments of each tier and routing rule are ordered, in lines."""

from crew.routing.saving import FEWEST
from crew.settings import Settings
from crew.settings.strategies import (
    COST,
    HEADROOM,
    LATENCY,
    LEAST_BUSY,
    MEASURED,
    PRIORITY,
    SAVE_FOR_LARGE,
)

_MEANS = {
    PRIORITY: "the order of the YAML",
    HEADROOM: "free ones first, the most left in the tightest window",
    LATENCY: "the shortest measured time for calls of the size",
    LEAST_BUSY: "the fewest calls in flight",
    COST: "the lowest expected price of the call",
    MEASURED: "the largest p x P - c of those with enough outcomes",
}
_SAVED = (
    f"  free requests  {SAVE_FOR_LARGE}: those that are counted by the day are for the "
    f"calls that would cost most; until {FEWEST} calls are known, for the first that "
    "come"
)


def strategy_lines(settings: Settings) -> list[str]:
    """The strategy of each tier and rule, and what a tier keeps: one line for each, or
    one for all where each goes by the order of the YAML; then who gets the free
    requests, where that is not the first that comes."""
    lines = _orders(settings)
    return [*lines, _SAVED] if settings.free_quota == SAVE_FOR_LARGE else lines


def _orders(settings: Settings) -> list[str]:
    rows = [
        (f"tier {tier.name}", tier.strategy, f"; keeps {tier.reserve}")
        if tier.reserve is not None
        else (f"tier {tier.name}", tier.strategy, "")
        for tier in settings.tiers.values()
    ]
    rows += [
        (f"rule {name}", settings.rule_strategies.get(name, PRIORITY), "")
        for name in settings.routing
    ]
    if all(strategy == PRIORITY and not kept for _, strategy, kept in rows):
        return [f"  all tiers and rules  {PRIORITY}: {_MEANS[PRIORITY]}"]
    width = max((len(name) for name, _, _ in rows), default=0)
    return [
        f"  {name:<{width}}  {strategy}: {_MEANS[strategy]}{kept}"
        for name, strategy, kept in rows
    ]
