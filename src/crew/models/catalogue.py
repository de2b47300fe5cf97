"""The models that there are, with what is known of each and who says so."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from crew.models.asking import Place, places
from crew.models.free_plans import free_plan
from crew.providers.families.registry import family
from crew.providers.listing import Listed
from crew.providers.probe import Probe
from crew.settings import Deployment, Price, Settings
from crew.settings.litellm_table import (
    NOTHING_KNOWN,
    ModelFacts,
    chat_models,
    lookup,
)

LIST, YAML, TABLE = "list", "yaml", "table"
"""Who says something: the provider's own list, providers.yaml, litellm's table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One model at one provider, whether or not the YAML uses it. None is "not known".

    `model` is litellm's id, `used_as` the deployments that are this model. Sizes are in
    tokens. `free`: it costs nothing here. `limits` are the YAML's, or what is known of
    the free plan. `listed`: whether its provider lists it; None: nobody asked.
    `said_by` has who says each of the facts (LIST, YAML, TABLE), `successor` is
    litellm's id of what follows it, `page` what the table names as its source.
    """

    place: Place
    model: str
    used_as: tuple[str, ...] = ()
    price: Price | None = None
    context_window: int | None = None
    max_output: int | None = None
    vision: bool | None = None
    tools: bool | None = None
    retires: date | None = None
    successor: str = ""
    successor_by: str = ""
    free: bool = False
    limits: str = ""
    listed: bool | None = None
    unusable: str = ""
    said_by: Mapping[str, str]
    page: str = ""

    @property
    def own_id(self) -> str:
        """The provider's own id."""
        return self.model.partition("/")[2] or self.model

    @property
    def is_free_by_table(self) -> bool:
        """Whether it costs nothing by litellm's table alone, which may not know."""
        return self.free and not self.limits and self.said_by.get("price") == TABLE

    def is_retired(self, on: date) -> bool:
        """Whether it is gone on that day, as far as anybody says."""
        return self.retires is not None and self.retires <= on


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All offers, in the order of the YAML's providers, and what each place answered:
    a place that is not in `answers` was not asked."""

    offers: tuple[Offer, ...]
    places: tuple[Place, ...]
    answers: Mapping[Place, Probe]
    today: date

    def at(self, place: Place) -> list[Offer]:
        """The offers of one place."""
        return [one for one in self.offers if one.place == place]


def catalogue(
    settings: Settings, answers: Mapping[Place, Probe], today: date
) -> Catalogue:
    """What there is: of a place that answered, what it lists; of any other, what
    litellm's table knows. What the YAML uses is there in any case."""
    known = places(settings)
    pays = _pays(settings)
    offers = [
        replace(
            _offer(settings, place, name, listed, used, pays=pays),
            listed=_is_listed(answers.get(place), listed),
        )
        for place, behind in known.items()
        for name, listed, used in _entries(place, behind, answers.get(place))
    ]
    return Catalogue(
        offers=tuple(one for one in offers if one.used_as or not one.is_retired(today)),
        places=tuple(known),
        answers=answers,
        today=today,
    )


_Entry = tuple[str, Listed | None, list[Deployment]]


def _entries(
    place: Place, behind: list[Deployment], probe: Probe | None
) -> Iterator[_Entry]:
    """The models of a place: litellm's id, what the list says of it, and what uses
    it."""
    used: dict[str, list[Deployment]] = {}
    for one in behind:
        used.setdefault(one.model, []).append(one)
    found = {} if probe is None else probe.models
    for name, listed in found.items():
        model = f"{place.family}/{name}"
        facts = lookup(model)
        if model in used or not (listed.unusable or (facts and not facts.chats)):
            yield model, listed, used.pop(model, [])
    own = place.base_url in ("", family(place.family).base_url)
    if not found and own:
        for model in chat_models(place.family):
            yield model, None, used.pop(model, [])
    for model, deployments in used.items():
        # A way to ask that is not listed, such as :nitro, is the model without it.
        yield model, probe.find(deployments[0]) if probe else None, deployments


def _is_listed(probe: Probe | None, listed: Listed | None) -> bool | None:
    if listed is not None:
        return True
    return False if probe is not None and probe.models and probe.whole else None


def _offer(
    settings: Settings,
    place: Place,
    model: str,
    listed: Listed | None,
    used: list[Deployment],
    *,
    pays: Mapping[str, bool],
) -> Offer:
    table = lookup(model) or NOTHING_KNOWN
    said, first = listed or Listed(), used[0] if used else None
    facts, said_by = _first_of(_options(said, first, table))
    plan = free_plan(place.family, model.partition("/")[2])
    price = facts["price"]
    costs_nothing = isinstance(price, Price) and not (price.input or price.output)
    free = costs_nothing or (plan is not None and not pays.get(place.provider, False))
    limits = _limits(settings, first) or (plan.shown if plan is not None else "")
    successor = f"{place.family}/{said.successor}" if said.successor else ""
    return Offer(
        place=place,
        model=model,
        used_as=tuple(one.name for one in used),
        free=free,
        limits=limits if free or used else "",
        unusable=said.unusable,
        successor=successor or table.successor,
        successor_by=LIST if successor else TABLE,
        said_by=said_by,
        page=table.source,
        **facts,  # type: ignore[arg-type]  # each is what its reader made of it
    )


def _options(
    said: Listed, used: Deployment | None, table: ModelFacts
) -> dict[str, tuple[object, object, object]]:
    """Each fact as the list, the YAML and the table have it."""
    window = None if used is None or used.window_assumed else used.context_window
    return {
        "price": (said.price, used and used.price, _price(table)),
        "context_window": (said.context_window, window, table.context_window),
        "max_output": (said.max_output, used and used.max_output, table.max_output),
        "vision": (said.vision, used and used.vision, table.vision),
        "tools": (said.tools, used and used.tools, table.tools),
        "retires": (said.retires, None, table.deprecation_date),
    }


def _first_of(
    options: Mapping[str, tuple[object, object, object]],
) -> tuple[dict[str, object], dict[str, str]]:
    """Of each fact the first value that there is, and whose it is."""
    facts: dict[str, object] = dict.fromkeys(options)
    said_by: dict[str, str] = {}
    for name, values in options.items():
        for value, who in zip(values, (LIST, YAML, TABLE), strict=True):
            if value is not None:
                facts[name], said_by[name] = value, who
                break
    return facts, said_by


def _pays(settings: Settings) -> dict[str, bool]:
    """Whether the YAML has a price for what each provider serves: then the account
    there is on no free plan."""
    found: dict[str, bool] = {}
    for one in settings.deployments.values():
        price, name = one.price, one.provider.name
        costs = price is not None and bool(price.input or price.output)
        found[name] = found.get(name, False) or costs
    return found


def _price(facts: ModelFacts) -> Price | None:
    sent, wrote = facts.input_price, facts.output_price
    if sent is None or wrote is None:
        return None
    return Price(
        input=sent,
        output=wrote,
        cached_input=facts.cached_input_price,
        cache_write=facts.cache_write_price,
    )


def _limits(settings: Settings, deployment: Deployment | None) -> str:
    """The limits of a deployment's own and of its class, as the YAML has them."""
    if deployment is None:
        return ""
    shared = settings.providers[deployment.provider.name].classes
    own = (*deployment.limits, *shared.get(deployment.klass or "", ()))
    return ", ".join(one.spec for one in own)


def matching(
    offers: Iterable[Offer],
    words: Iterable[str] = (),
    *,
    free: bool = False,
    see: bool = False,
    tools: bool = False,
) -> list[Offer]:
    """The offers with these abilities whose ids, deployments or providers have all of
    the words; the name of a provider stands for what it serves alone. What costs
    nothing comes first, and then what costs least; of these the largest window."""
    wanted = [word.casefold() for word in words]
    offers = list(offers)
    names = {one.place.provider.casefold() for one in offers}
    found = [
        one
        for one in offers
        if (one.free or not free)
        and (one.vision or not see)
        and (one.tools or not tools)
        and not one.unusable
        and all(_has(one, word, names) for word in wanted)
    ]
    return sorted(found, key=_order)


def _has(offer: Offer, word: str, providers: set[str]) -> bool:
    if word in providers:
        return offer.place.provider.casefold() == word
    return any(word in name.casefold() for name in (offer.model, *offer.used_as))


def _order(offer: Offer) -> tuple[bool, bool, bool, Decimal, int, str]:
    price = offer.price
    total = price.input + price.output if price else Decimal(0)
    return (
        not offer.free,
        offer.is_free_by_table,
        price is None,
        total if not offer.free else Decimal(0),
        -(offer.context_window or 0),
        offer.model,
    )
