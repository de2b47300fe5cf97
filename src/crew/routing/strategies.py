"""The order within a tier or a rule, by its strategy (pure).

A task stays on the deployment w that served its last call while

    gain(d over w)  <=  T x (i - k)

d is the one that the strategy puts first, T the tokens of the request that are in w's
cache, i the price of an input token at d and k that of a cached one at w: what moving
costs, as those tokens are sent uncached. Each strategy says its gain in US dollars.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from crew.routing.rankings import Ranking, ranking
from crew.routing.routes import Request, rule_name
from crew.routing.signals import Signals, Warm
from crew.settings import Deployment, Settings
from crew.settings.strategies import PRIORITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Arranged:
    """Candidates as the strategies order them, and why one goes before others that the
    YAML names earlier: in words, by name."""

    candidates: tuple[Deployment, ...]
    words: Mapping[str, str]


class Words(Mapping[str, str]):
    """Sentences by the names of deployments, made when somebody reads them."""

    def __init__(self) -> None:
        self._made: dict[str, Callable[[], str]] = {}

    def put(self, name: str, made: Callable[[], str]) -> None:
        self._made[name] = made

    def drop(self, name: str) -> None:
        self._made.pop(name, None)

    def __getitem__(self, name: str) -> str:
        return self._made[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


@dataclass(frozen=True, slots=True)
class _Home:
    """The tier or rule that a candidate comes from."""

    name: str
    strategy: str


_NONE = _Home("", PRIORITY)
Parts = Sequence[tuple[_Home, list[Deployment]]]
"""Candidates one after the other that come from the same tier or rule."""


def needed(parts: Parts) -> dict[str, list[Deployment]]:
    """The strategies that order anything of these, each with what it orders. None but
    `priority`: nothing has to be read."""
    found: dict[str, list[Deployment]] = {}
    for home, members in parts:
        if home.strategy != PRIORITY and len(members) > 1:
            found.setdefault(home.strategy, []).extend(members)
    return found


def arranged(parts: Parts, signals: Signals) -> Arranged:
    """The candidates, each part of them by the strategy of its tier or rule. The parts
    stay in their order."""
    order: list[Deployment] = []
    words = Words()
    for home, members in parts:
        if home.strategy == PRIORITY or len(members) == 1:
            order += members
        else:
            order += _ordered(home, members, signals, words)
    return Arranged(candidates=tuple(order), words=words)


def _ordered(
    home: _Home, members: list[Deployment], signals: Signals, words: Words
) -> list[Deployment]:
    """The members by their strategy; the words say why each one stands where it does,
    where the YAML would have put another before it."""
    by = ranking(home.strategy, members, signals)
    order = sorted(members, key=by.key)
    for one in order:
        words.put(one.name, partial(_sentence, home, by, one))
    stays = next(
        (one for one in order if signals.warm and one.name == signals.warm.deployment),
        None,
    )
    if stays is not None and signals.warm is not None and stays is not order[0]:
        worth = cache_worth(signals.warm, stays, order[0])
        if worth > 0 and by.gain(order[0], stays) <= worth:
            order = [stays, *(one for one in order if one is not stays)]
            words.put(stays.name, partial(_stays, home, worth))
    words.drop(members[0].name)
    return order


def _sentence(home: _Home, by: Ranking, one: Deployment) -> str:
    return f"{home.name} goes by {home.strategy}; {by.why(one)}"


def _stays(home: _Home, worth: float) -> str:
    return (
        f"{home.name} goes by {home.strategy}, and the task stays where its cache is "
        f"warm; that is worth ${worth:.4f}"
    )


def cache_worth(warm: Warm, stays: Deployment, moves: Deployment) -> float:
    """US dollars that moving costs: the tokens in the cache are sent uncached. 0 where
    no cached price is known to be lower."""
    here, there = stays.price, moves.price
    if here is None or there is None or here.cached_input is None:
        return 0.0
    if here.cached_input >= here.input:
        return 0.0
    return warm.tokens * float(there.input - here.cached_input) / 1_000_000


def parts_of(
    settings: Settings, request: Request, candidates: Sequence[Deployment]
) -> Parts:
    """The candidates in parts: one after the other from the same tier or rule."""
    homes: dict[str, _Home] = {}
    name = rule_name(settings, request.kind, request.complexity)
    if name is not None:
        strategy = settings.rule_strategies.get(name, PRIORITY)
        for member in settings.routing[name]:
            homes.setdefault(member, _Home(name, strategy))
    followed = []
    tier: str | None = request.tier
    while tier is not None:
        followed.append(tier)
        tier = settings.tiers[tier].then
    # A step of a ladder may name a tier that does not follow the role's.
    for one in dict.fromkeys([*followed, *(settings.tiers if request.chain else ())]):
        found = settings.tiers[one]
        for member in found.chain:
            homes.setdefault(member, _Home(found.name, found.strategy))
    return [
        (home, list(members))
        for home, members in groupby(candidates, lambda one: homes.get(one.name, _NONE))
    ]
