"""The metrics of `/metrics`: the counters of calls, and how things stand now."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from crew.errors import StoreUnavailable
from crew.guard import QuotaGuard
from crew.quota.limits import NANO, Metric
from crew.reports.allowances import Allowance
from crew.reports.board import Board
from crew.ui.call_metrics import call_families
from crew.ui.exposition import GAUGE, Family, Sample, text
from crew.ui.keys import failing, own_tallies
from crew.ui.runs import Runs
from crew.ui.sources import Sources
from crew.ui.tallies import Tallies


def metrics(sources: Sources, tallies: Tallies, runs: Runs) -> str:
    """All metrics, as Prometheus' text. What the quota store cannot say is left out,
    and `crew_store_up` is 0. Raises StoreUnavailable without the journal."""
    counted = tallies.now()
    families = [*call_families(counted.values())]
    families += _of_journal(sources, runs)
    families += _of_settings(sources, tallies)
    try:
        guard, now = sources.guard(), sources.board()
        families += [_gauge("store_up", "Whether the quota store answers.", [(1, {})])]
        families += [*_of_limits(now), *_of_holds(now), *_of_benches(guard)]
    except StoreUnavailable:
        families += [_gauge("store_up", "Whether the quota store answers.", [(0, {})])]
    return text(families, cache(sources.shown))


def _gauge(
    name: str, sentence: str, samples: Iterable[tuple[float, Mapping[str, str]]]
) -> Family:
    return Family(
        name=f"crew_{name}",
        type=GAUGE,
        help=sentence,
        samples=[Sample(value, labels) for value, labels in samples],
    )


def _of_journal(sources: Sources, runs: Runs) -> Iterator[Family]:
    with sources.journal() as journal:
        alerts = [] if journal is None else journal.alerts.open(sources.clock.now())
    kinds = Counter(one.kind for one in alerts)
    yield _gauge(
        "open_alerts",
        "Alerts that are open, by kind.",
        [(count, {"kind": kind}) for kind, count in kinds.items()]
        or [(0, {"kind": ""})],
    )
    yield _gauge("running_runs", "Runs at work.", [(runs.count(), {})])


def _of_settings(sources: Sources, tallies: Tallies) -> Iterator[Family]:
    settings, counted = sources.settings, tallies.now()
    providers = settings.providers.values()
    yield _gauge(
        "provider_available",
        "Whether calls may go there: it has a key, or needs none.",
        [(one.available, {"provider": one.name}) for one in providers],
    )
    yield _gauge(
        "provider_key_failing",
        "Whether its latest calls say that the key fails.",
        [
            (
                failing(own_tallies(counted, one.name)) is not None,
                {"provider": one.name},
            )
            for one in providers
        ],
    )
    yield _gauge(
        "role_info",
        "The tier of each role of the YAML.",
        [(1, {"role": one.name, "tier": one.tier}) for one in settings.roles.values()],
    )
    yield _gauge(
        "deployment_info",
        "The tiers whose chains name each deployment.",
        [
            (1, {"deployment": name, "tier": tier.name})
            for tier in settings.tiers.values()
            for name in dict.fromkeys(tier.chain)
        ],
    )


def _of_limits(now: Board) -> Iterator[Family]:
    def labels(one: Allowance) -> dict[str, str]:
        metric = str(one.limit.metric)
        return {"pool": one.pool, "limit": one.limit.spec, "metric": metric}

    known = now.allowances
    for name, sentence, values in (
        ("used", "used and settled", [one.used for one in known]),
        ("reserved", "in flight", [one.reserved for one in known]),
        ("left", "left", [one.left for one in known]),
    ):
        yield _gauge(
            f"limit_{name}",
            f"What is {sentence} of a limit, in units of its metric.",
            [
                (value / _unit(one), labels(one))
                for one, value in zip(known, values, strict=True)
            ],
        )
    yield _gauge(
        "limit_used_ratio",
        "The share of a limit that is used, in flight included.",
        [(one.share, labels(one)) for one in known],
    )
    yield _gauge(
        "limit_resets_timestamp_seconds",
        "When all that counts of a limit has stopped counting.",
        [(at, labels(one)) for one in known if (at := one.resets_at) is not None],
    )
    yield _gauge(
        "limit_empty_timestamp_seconds",
        "When nothing of a limit is left at the present rate, where that comes first.",
        [(at, labels(one)) for one in known if (at := one.empty_at) is not None],
    )


def _unit(one: Allowance) -> int:
    """How many base units one unit of its metric has: dollars are counted in nano."""
    return NANO if one.limit.metric is Metric.USD else 1


def _of_holds(now: Board) -> Iterator[Family]:
    yield _gauge(
        "cooldown_until_timestamp_seconds",
        "Until when a pool is closed after a failure.",
        [
            (at, {"pool": one.pool})
            for one in now.holds
            if (at := one.until) is not None
        ],
    )
    yield _gauge(
        "throttle_ratio",
        "The share of its short limits to which a pool is throttled.",
        [
            (at, {"pool": one.pool})
            for one in now.holds
            if (at := one.share) is not None
        ],
    )
    yield _gauge(
        "waiting_calls",
        "Calls in the queue of a pool.",
        [(one.waiting, {"pool": one.pool}) for one in now.holds if one.waiting],
    )
    yield _gauge("calls_in_flight", "Calls that have left.", [(now.in_flight, {})])


def _of_benches(guard: QuotaGuard) -> Iterator[Family]:
    yield _gauge(
        "bench_until_timestamp_seconds",
        "Until when a deployment is out of use.",
        [
            (one.until, {"deployment": one.deployment})
            for one in guard.benches.standing()
        ],
    )
