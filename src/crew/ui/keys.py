"""The health of the keys: whether each is set, and what came of the latest calls.

A key itself is never read here: a provider only says whether it has one.
"""

from collections.abc import Mapping, Sequence

from crew.journal import Journal, Tally
from crew.settings import Provider
from crew.ui.sources import Sources
from crew.ui.tallies import Key, Tallies

FAILURES = {
    "BadKey": "the provider refuses the key",
    "OutOfMoney": "the account has no money",
}
"""How calls end that say something about a key."""


def keys(sources: Sources, tallies: Tallies) -> dict[str, object]:
    """Each provider of the YAML with its key. Raises StoreUnavailable."""
    counted = tallies.now()
    with sources.journal() as journal:
        return {
            "providers": [
                _document(one, own_tallies(counted, one.name), journal)
                for one in sources.settings.providers.values()
            ]
        }


def own_tallies(counted: Mapping[Key, Tally], provider: str) -> list[Tally]:
    """Those of one provider."""
    return [one for one in counted.values() if one.provider == provider]


def failing(tallies: Sequence[Tally]) -> str | None:
    """The outcome that the latest calls with the key ended with, where it says that
    the key fails; None while it works."""
    ends = [one for one in tallies if one.outcome == "ok" or one.outcome in FAILURES]
    latest = max(ends, key=lambda one: one.last, default=None)
    return latest.outcome if latest and latest.outcome in FAILURES else None


def _document(
    provider: Provider, tallies: Sequence[Tally], journal: Journal | None
) -> dict[str, object]:
    answers = [one for one in tallies if one.outcome == "ok"]
    outcome = failing(tallies)
    since = None
    if outcome is not None and journal is not None:
        row = max((one.last for one in answers), default=0)
        since = journal.fails_since(provider.name, outcome, row)
    state = "works" if answers else "not tried"
    if provider.keyless:
        key = "needs none"
    else:
        key = "set" if provider.available else "not set"
    if not provider.available:
        state = "not used"
    elif outcome is not None:
        state = "fails"
    return {
        "provider": provider.name,
        "key": key,
        "variable": provider.api_key_variable,
        "state": state,
        "why": FAILURES.get(outcome or "", ""),
        "since": since,
        "answered_at": max((one.at for one in answers), default=None),
        "calls": sum(one.sums.calls for one in tallies),
        "failed": sum(one.sums.failed for one in tallies),
    }
