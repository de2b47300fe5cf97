"""How the deployments of each tier and routing rule are ordered, in lines."""

from crew.settings import Settings
from crew.settings.strategies import (
    COST,
    HEADROOM,
    LATENCY,
    LEAST_BUSY,
    MEASURED,
    PRIORITY,
)

_MEANS = {
    PRIORITY: "the order of the YAML",
    HEADROOM: "free ones first, the most left in the tightest window",
    LATENCY: "the shortest measured time for calls of the size",
    LEAST_BUSY: "the fewest calls in flight",
    COST: "the lowest expected price of the call",
    MEASURED: "the largest p x P - c of those with enough outcomes",
}


def strategy_lines(settings: Settings) -> list[str]:
    """The strategy of each tier and rule, and what a tier keeps: one line for each, or
    one for all where each goes by the order of the YAML."""
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
