"""The chains of tiers.yaml are ordered in place, and the rest stays as written."""

from collections.abc import Iterator
from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from crew.setup.chains import ordered_chains

CONFIG = Path(__file__).parents[1] / "config"
TIERS = (CONFIG / "tiers.yaml").read_text(encoding="utf-8")
PROVIDERS = yaml.safe_load((CONFIG / "providers.yaml").read_text(encoding="utf-8"))
DEPLOYMENTS = sorted(PROVIDERS["deployments"])


def chains(text: str) -> Iterator[tuple[str, list[str]]]:
    document = yaml.safe_load(text)
    for section in ("tiers", "routing"):
        for name, found in document[section].items():
            chain = found["chain"] if isinstance(found, dict) else found
            yield f"{section} {name}", chain


def parted(
    chain: list[str], usable: set[str], tiers: dict[str, list[str]]
) -> list[str]:
    def works(name: str) -> bool:
        return name in usable or any(map(works, tiers.get(name, [])))

    return [*filter(works, chain), *(one for one in chain if not works(one))]


@given(usable=st.sets(st.sampled_from(DEPLOYMENTS)))
def test_what_can_be_called_comes_first_and_the_order_stays_otherwise(
    usable: set[str],
) -> None:
    before = dict(chains(TIERS))
    tiers = {
        name.removeprefix("tiers "): chain
        for name, chain in before.items()
        if name.startswith("tiers ")
    }

    text = ordered_chains(TIERS, usable)

    assert dict(chains(text)) == {
        name: parted(chain, usable, tiers) for name, chain in before.items()
    }
    assert sorted(text) == sorted(TIERS)  # the same characters, in other places
    assert ordered_chains(text, usable) == text


def test_an_entry_keeps_its_comment_and_a_quoted_one_its_quotes() -> None:
    text = """\
tiers:
  a:
    chain:
      - x # the best
      # what follows is cheap
      - "y"   # free
      - z
  b: ['x', "y",
      z]   # of all
"""

    assert (
        ordered_chains(text, {"y"})
        == """\
tiers:
  a:
    chain:
      - "y"   # free
      # what follows is cheap
      - x # the best
      - z
  b: ["y", 'x',
      z]   # of all
"""
    )


def test_tiers_that_lead_to_each_other_end() -> None:
    text = "tiers:\n  a: [b, x]\n  b: [a, y]\n"

    assert ordered_chains(text, {"y"}) == text
    assert ordered_chains(text, set()) == text
