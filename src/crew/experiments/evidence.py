"""Evidence that one arm is better, which may be looked at at any time (pure).

The outcomes of two arms are compared pair by pair: of the same task where both did
it, else the k-th of the one with the k-th of the other. A pair in which both did the
same says nothing. If neither arm is better, each other pair goes either way with
probability 1/2, whatever the rates are. So a bet on the winner of the next pair is
fair, and what became of a stake of 1 is an e-process: it ever exceeds 1 / alpha with
probability alpha at most (Ville's inequality). The bets are those of a uniform prior
on the share of pairs that an arm wins.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import exp, inf, lgamma, log


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the pairs say. `wins` are those of the first arm, `losses` those of the
    second. `value` is the evidence now; `winner` is 1 or 2 from the pair `after` on,
    with which it first was enough; 0: it never was."""

    wins: int
    losses: int
    ties: int
    value: float
    winner: int = 0
    after: int = 0

    @property
    def pairs(self) -> int:
        return self.wins + self.losses + self.ties


def weigh(signs: Iterable[int], enough: float) -> Evidence:
    """The evidence of pairs in their order: above 0 the first arm was better, below 0
    the second, and 0 neither. `enough` is 1 / alpha."""
    wins = losses = ties = winner = after = 0
    for number, sign in enumerate(signs, start=1):
        if sign == 0:
            ties += 1
            continue
        wins, losses = wins + (sign > 0), losses + (sign < 0)
        # Decided once, decided for good: what comes later was not needed.
        if not winner and evidence(wins, losses) >= enough:
            winner, after = (1 if wins > losses else 2), number
    return Evidence(
        wins=wins,
        losses=losses,
        ties=ties,
        value=evidence(wins, losses),
        winner=winner,
        after=after,
    )


@lru_cache(maxsize=4096)
def evidence(wins: int, losses: int) -> float:
    """What a stake of 1 became: 2^n x B(wins + 1, losses + 1)."""
    n = wins + losses
    grown = n * log(2) + (lgamma(wins + 1) + lgamma(losses + 1)) - lgamma(n + 2)
    return exp(grown) if grown < 700 else inf
