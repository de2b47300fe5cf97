"""Strategies and reserves in tiers.yaml, and what `crew check` says of them."""

from decimal import Decimal
from pathlib import Path

import pytest

from crew.check.strategies import strategy_lines
from crew.settings.loader import load_settings
from crew.settings.strategies import Reserve
from small_config import change, mistakes_of, write_files

RULE = "coding.high: [mid]"
MID = "chain: [small, senior]"


def test_tiers_and_rules_name_a_strategy_and_the_others_take_the_default(
    tmp_path: Path,
) -> None:
    config = write_files(tmp_path / "config")
    kept = f"{MID}\n    strategy: headroom\n    limits: 9 requests/day"
    change(config, "tiers", MID, f"{kept}\n    reserve: 12.5 % for medium")
    change(config, "tiers", RULE, "coding.high: {chain: [mid], strategy: cost}")
    change(config, "tiers", "max_wait", "strategy: least_busy\nmax_wait")

    found = load_settings(config, environ={})

    assert {n: one.strategy for n, one in found.tiers.items()} == {
        "senior": "least_busy",
        "mid": "headroom",
    }
    assert found.rule_strategies == {"coding.high": "cost"}
    reserve = Reserve(share=Decimal("0.125"), complexity="medium")
    assert found.tiers["mid"].reserve == reserve
    assert [reserve.is_for(one) for one in (None, "low", "medium", "high")] == [
        False,
        False,
        True,
        True,
    ]
    assert strategy_lines(found) == [
        "  tier senior       least_busy: the fewest calls in flight",
        "  tier mid          headroom: free ones first, the most left in the tightest "
        "window; keeps 12.5 % for medium",
        "  rule coding.high  cost: the lowest expected price of the call",
    ]


@pytest.mark.parametrize(
    ("new", "key", "message"),
    [
        ("strategy: prioriy", "tiers.mid.strategy", "unknown strategy 'prioriy'"),
        ("strategy: 3", "tiers.mid.strategy", "expected a text"),
        ("reserve: 30 %", "tiers.mid.reserve", "allowed: SHARE % for high"),
        ("reserve: 100 % for high", "tiers.mid.reserve", "found '100 % for high'"),
        ("reserve: 30 % for low", "tiers.mid.reserve", "found '30 % for low'"),
        ("reserve: 30 % for high", "tiers.mid.reserve", "limits of a day or longer"),
    ],
)
def test_what_is_wrong_is_found_when_it_is_loaded(
    tmp_path: Path, new: str, key: str, message: str
) -> None:
    config = write_files(tmp_path / "config")
    change(config, "tiers", MID, f"{MID}\n    {new}")

    (mistake,) = mistakes_of(config)

    assert (Path(mistake.file).name, mistake.key) == ("tiers.yaml", key)
    assert mistake.line is not None
    assert message in str(mistake)


def test_the_order_of_the_yaml_everywhere_is_one_line(tmp_path: Path) -> None:
    found = load_settings(write_files(tmp_path / "config"), environ={})

    assert strategy_lines(found) == [
        "  all tiers and rules  priority: the order of the YAML"
    ]
