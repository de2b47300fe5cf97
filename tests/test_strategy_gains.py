"""What `cost`, `least_busy` and `measured` gain over the models in random order."""

import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from building import deployment, provider
from crew.clock import ManualClock
from crew.guard.lease import Lease
from crew.settings import Price, Tier
from test_strategies import ASK, Bench, Record, tiered, tries

SEEDS = range(3)


def beats(figure: Callable[[str, int, bool], float], strategy: str) -> float:
    """What the strategy comes to, as a share of the best random order."""
    ours = figure(strategy, 1, False)
    return ours / min(figure("priority", seed, True) for seed in SEEDS)


def order(chance: random.Random, names: str, *, shuffled: bool) -> tuple[str, ...]:
    return tuple(chance.sample(names, len(names))) if shuffled else ()


def test_cost_beats_the_shuffled_order_in_money(tmp_path: Path) -> None:
    prices = {"a": ("1", "30"), "b": ("6", "10"), "c": ("3", "20")}
    chain = [
        deployment(
            name, provider(name), price=Price(input=Decimal(read), output=Decimal(said))
        )
        for name, (read, said) in prices.items()
    ]

    def usd(strategy: str, seed: int, shuffled: bool) -> float:
        chance, bench = random.Random(seed), Bench(tiered(chain, tmp_path, strategy))
        sizes, total = random.Random(7), 0.0
        for _ in range(100):
            sent, written = sizes.choice([(9_000, 100), (500, 4_000), (2_000, 1_000)])
            call = replace(ASK, input_tokens=sent, output_tokens=written)
            chain_of = order(chance, "abc", shuffled=shuffled)
            name, _ = bench.served(replace(call, chain=chain_of))
            read, said = prices[name]
            total += (float(read) * sent + float(said) * written) / 1_000_000
        return total

    assert beats(usd, "cost") < 0.8


def test_least_busy_beats_the_shuffled_order_in_calls_under_way(
    tmp_path: Path,
) -> None:
    chain = [deployment(name, provider(name)) for name in "abc"]

    def under_way(strategy: str, seed: int, shuffled: bool) -> float:
        chance, bench = random.Random(seed), Bench(tiered(chain, tmp_path, strategy))
        lengths, total = random.Random(7), 0
        flying: list[tuple[int, Lease]] = []
        for now in range(150):
            for _, lease in [one for one in flying if one[0] <= now]:
                lease.keep()
            flying = [one for one in flying if one[0] > now]
            chain_of = order(chance, "abc", shuffled=shuffled)
            lease = bench.guard.begin(replace(ASK, chain=chain_of)).acquire()
            total += sum(one.deployment == lease.deployment for _, one in flying)
            flying.append((now + lengths.choice([1, 2, 12]), lease))
        return total

    assert beats(under_way, "least_busy") < 0.8


def test_measured_beats_the_shuffled_order_in_money_and_failures(
    tmp_path: Path,
) -> None:
    passes, price, rest = {"a": 0.2, "b": 0.9, "c": 0.5}, 0.01, 0.1
    chain = [deployment(name, provider(name), price=None) for name in "abct"]
    now = ManualClock().now()
    known = [
        one
        for name, p in passes.items()
        for one in tries(name, round(20 * p), round(20 * (1 - p)), str(price), now)
    ]
    known += tries("t", 19, 1, str(rest), now)
    senior = Tier(name="senior", chain=("t",))
    work = replace(ASK, kind="coding", complexity="low", trust="tests")

    def usd(strategy: str, seed: int, shuffled: bool) -> float:
        made = tiered(chain[:3], tmp_path, strategy)
        made = replace(
            made,
            tiers={**made.tiers, "senior": senior},
            deployments={one.name: one for one in chain},
        )
        chance, luck = random.Random(seed), random.Random(7)
        bench = Bench(made, Record(tries=known))
        total = 0.0
        for _ in range(100):
            chain_of = order(chance, "abc", shuffled=shuffled)
            name, _ = bench.served(replace(work, chain=chain_of))
            total += price + (rest if luck.random() > passes[name] else 0)
        return total

    assert beats(usd, "measured") < 0.6
