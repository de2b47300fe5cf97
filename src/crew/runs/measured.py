"""The pass rates and prices that the journal knows."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

from crew.clock import Clock, SystemClock
from crew.errors import StoreUnavailable
from crew.journal import AttemptTable, Journal, Try, journal_file
from crew.ladder import ANY_KIND, Rate, Rates, Unmeasured
from crew.ladder.measuring import REMEMBERED, at_tokens, enough, measure
from crew.notices import Listener
from crew.settings import Settings


class Measured:
    """Rates from the attempts that are in the journal when it is first asked.

    A journal that cannot be read knows nothing.
    """

    def __init__(
        self, settings: Settings, attempts: AttemptTable, clock: Clock
    ) -> None:
        self._attempts = attempts
        self._now = clock.now()
        self._premium = _premium(settings)
        self._rates: dict[tuple[str, str | None, str, str], Rate] = {}

    def of(
        self, deployment: str, kind: str | None, complexity: str, trust: str
    ) -> Rate:
        """What its attempts at this kind of work say. How often it mends is taken from
        all kinds: a try with the reason is rare."""
        key = (deployment, kind, complexity, trust)
        if key not in self._rates:
            self._rates[key] = self._rate(*key)
        return self._rates[key]

    def _rate(
        self, deployment: str, kind: str | None, complexity: str, trust: str
    ) -> Rate:
        here = self._at[kind, complexity]
        retries = [one for one in self._made[deployment] if one.is_retry]
        own = [one for one in here if one.deployment == deployment]
        rate = measure(own, trust, self._now)
        if rate.usd is None and deployment == self._premium:
            tokens = at_tokens(here, self._now)
            rate = replace(rate, usd=tokens.usd, priced=tokens.priced)
        return replace(rate, mends=enough(retries, trust, self._now))

    def read(self) -> None:
        """Read the journal now: it may be closed after that."""
        _ = self._tries

    @cached_property
    def _at(self) -> Mapping[tuple[str | None, str], list[Try]]:
        """The attempts at each kind and complexity."""
        found: dict[tuple[str | None, str], list[Try]] = defaultdict(list)
        for one in self._tries:
            found[one.kind, one.complexity].append(one)
            found[ANY_KIND, one.complexity].append(one)
        return found

    @cached_property
    def _made(self) -> Mapping[str, list[Try]]:
        """The attempts of each deployment."""
        found: dict[str, list[Try]] = defaultdict(list)
        for one in self._tries:
            found[one.deployment].append(one)
        return found

    @cached_property
    def _tries(self) -> list[Try]:
        try:
            return self._attempts.tries(self._now - REMEMBERED)
        except StoreUnavailable:
            return []


def known_rates(settings: Settings, listener: Listener) -> Rates:
    """What the journal of this state directory says now, for who runs nothing; the
    listener hears why it cannot be read."""
    path = journal_file(settings.state_dir)
    if not path.exists():
        return Unmeasured()
    clock = SystemClock()
    try:
        with Journal.open(path, clock, listener) as journal:
            measured = Measured(settings, journal.attempts, clock)
            measured.read()
    except StoreUnavailable as exc:
        listener(f"WARNING: {exc}; ladders are shown as the YAML orders them")
        return Unmeasured()
    return measured


def _premium(settings: Settings) -> str | None:
    """The deployment at whose price the journal keeps the tokens of attempts, where
    it is the premium of the ladder too."""
    tier = settings.tiers.get("senior")
    if tier is None or settings.ladder.premium not in (None, tier.name):
        return None
    return tier.chain[0] if tier.chain else None
