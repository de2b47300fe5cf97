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
    f"{SAVE_FOR_LARGE}: those that are counted by the day are for the calls that would "
    f"cost most; until {FEWEST} calls are known, for the first that come"
)


def strategy_lines(settings: Settings) -> list[str]:
    """The strategy of each tier and rule, and what a tier keeps: one line for each, or
    one for all where each goes by the order of the YAML; then who gets the free
    requests, where that is not the first that comes."""
    rows = _orders(settings)
    if settings.free_quota == SAVE_FOR_LARGE:
        rows.append(("free requests", _SAVED))
    width = max(len(name) for name, _ in rows)
    return [f"  {name:<{width}}  {words}" for name, words in rows]


def _orders(settings: Settings) -> list[tuple[str, str]]:
    plain = f"{PRIORITY}: {_MEANS[PRIORITY]}"
    rows = []
    for tier in settings.tiers.values():
        kept = f"; keeps {tier.reserve}" if tier.reserve is not None else ""
        words = f"{tier.strategy}: {_MEANS[tier.strategy]}{kept}"
        rows.append((f"tier {tier.name}", words))
    for name in settings.routing:
        strategy = settings.rule_strategies.get(name, PRIORITY)
        rows.append((f"rule {name}", f"{strategy}: {_MEANS[strategy]}"))
    if all(words == plain for _, words in rows):
        return [("all tiers and rules", plain)]
    return rows
