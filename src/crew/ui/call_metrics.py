"""The counters of `/metrics`: what calls took, by deployment, provider and role.

Labels are names of the YAML and classes of outcomes, never a run or a task: the number
of series must not grow with the work.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter

from crew.journal import Sums, Tally
from crew.ui.exposition import COUNTER, GAUGE, SUMMARY, Family, Sample

MOST_SERIES = 2_000
"""How many groups of calls have series of their own, in the order in which they first
appeared; those that come later count as one, whose names are `other`."""
OTHER = "other"
Groups = Mapping[tuple[tuple[str, str], ...], Sums]
"""Sums by labels."""
_COUNTERS: tuple[tuple[str, str, Callable[[Sums], float]], ...] = (
    ("input_tokens", "Tokens sent.", attrgetter("input_tokens")),
    ("output_tokens", "Tokens answered.", attrgetter("output_tokens")),
    (
        "cached_tokens",
        "Tokens sent that the provider read from its cache.",
        attrgetter("cached_tokens"),
    ),
    (
        "cost_usd",
        "US dollars that calls cost; those of unknown cost add nothing.",
        attrgetter("usd"),
    ),
    ("unknown_costs", "Calls of unknown cost.", attrgetter("unknown_costs")),
    (
        "cost_all_senior_usd",
        "US dollars that the answers would have cost on the senior tier, as far as "
        "it is known.",
        attrgetter("senior_usd"),
    ),
    (
        "unknown_all_senior_costs",
        "Answers whose cost on the senior tier is unknown.",
        attrgetter("unknown_seniors"),
    ),
)


def call_families(tallies: Iterable[Tally]) -> Iterator[Family]:
    """What the journal counted; rehearsals do not count."""
    ends = _groups(tallies)
    failures = {key: sums for key, sums in ends.items() if ("outcome", "ok") not in key}
    by_work = _without_outcome(ends)
    yield _counter("calls", "Calls that ended, by how.", ends, attrgetter("calls"))
    yield _counter(
        "failures", "Calls without an answer, by class.", failures, attrgetter("calls")
    )
    for name, sentence, of in _COUNTERS:
        yield _counter(name, sentence, by_work, of)
    yield Family(
        name="crew_saved_usd",
        type=GAUGE,
        help="US dollars saved against the senior tier; below zero: spent on top.",
        samples=[
            Sample(sums.senior_usd - sums.usd, dict(key))
            for key, sums in by_work.items()
            if not sums.unknown_seniors
        ],
    )
    yield Family(
        name="crew_call_duration_seconds",
        type=SUMMARY,
        help="How long calls took.",
        samples=[
            Sample(value, dict(key), suffix)
            for key, sums in by_work.items()
            for suffix, value in (("_sum", sums.seconds), ("_count", sums.calls))
        ],
    )


def _counter(
    name: str, sentence: str, groups: Groups, of: Callable[[Sums], float]
) -> Family:
    return Family(
        name=f"crew_{name}_total",
        type=COUNTER,
        help=sentence,
        samples=[Sample(of(sums), dict(key)) for key, sums in groups.items()],
    )


def _groups(tallies: Iterable[Tally]) -> Groups:
    found: dict[tuple[tuple[str, str], ...], Sums] = {}
    for one in sorted(tallies, key=lambda one: one.first):
        names = {
            "deployment": one.deployment,
            "provider": one.provider,
            "role": one.role,
        }
        key = _labels(names, one.outcome)
        if key not in found and len(found) >= MOST_SERIES:
            key = _labels(dict.fromkeys(names, OTHER), one.outcome)
        found[key] = found.get(key, Sums()) + one.sums
    return found


def _labels(names: Mapping[str, str], outcome: str) -> tuple[tuple[str, str], ...]:
    return (*names.items(), ("outcome", outcome))


def _without_outcome(groups: Groups) -> Groups:
    found: dict[tuple[tuple[str, str], ...], Sums] = {}
    for key, sums in groups.items():
        found[key[:-1]] = found.get(key[:-1], Sums()) + sums
    return found
