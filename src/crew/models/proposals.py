"""What could serve in place of a deployment: the successor of a model that is gone or
goes, and the same for less. Each with its evidence; nothing is changed by itself."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from crew.models.catalogue import LIST, TABLE, YAML, Catalogue, Offer
from crew.models.heirs import named_heirs
from crew.models.names import is_plain, likeliest, line, model_name, version
from crew.settings import Deployment, Price, Settings
from crew.settings.litellm_table import table_version

SOON = timedelta(days=60)
"""How long before its retirement a model has a successor proposed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One change of providers.yaml. `why` says what is the matter, `evidence` what is
    known of the new model and who says so; `lines` go into the deployment's mapping, in
    place of what has the same keys; there are none where it cannot be recommended."""

    deployment: str
    why: str
    evidence: str
    lines: tuple[str, ...]


def proposals(settings: Settings, known: Catalogue) -> list[Proposal]:
    """The successor of each deployment whose model is retired, retires soon or is not
    listed any more; else what costs less for one that a chain or a rule names."""
    used = _named(settings)
    offers = {name: one for one in known.offers for name in one.used_as}
    kin = _by_name(known.offers)
    found: list[Proposal] = []
    for name, deployment in settings.deployments.items():
        if (offer := offers.get(name)) is None:
            continue
        if (why := _ends(offer, known.today)) is not None:
            found += _successor(known, deployment, offer, why)
        elif name in used:
            found += _sibling(settings, known, deployment, offer, kin)
    return found


def _named(settings: Settings) -> set[str]:
    """The deployments that a tier or a rule names."""
    chains = [tier.chain for tier in settings.tiers.values()]
    return {name for chain in (*chains, *settings.routing.values()) for name in chain}


def _by_name(offers: Iterable[Offer]) -> dict[str, list[Offer]]:
    found: dict[str, list[Offer]] = {}
    for one in offers:
        found.setdefault(model_name(one.own_id), []).append(one)
    return found


def _ends(offer: Offer, today: date) -> str | None:
    """Why a model needs a successor; None as long as it does not."""
    if offer.unusable:
        return f"its provider says: {offer.unusable}"
    if offer.retires is not None and offer.retires <= today + SOON:
        word = "retired" if offer.retires <= today else "retires"
        return f"{word} {offer.retires} ({_who(offer, ('retires',), today)})"
    if offer.listed is False:
        return f"is not listed by {offer.place.provider} any more, asked {today}"
    return None


def _successor(
    known: Catalogue, deployment: Deployment, offer: Offer, why: str
) -> Iterator[Proposal]:
    """What is named as its successor, else what is named most like it and can do what
    it can."""
    alive = _alive(known, offer)
    heirs = named_heirs(offer.successor)
    named = next((alive[name] for name in heirs if name in alive), None)
    if named is not None:
        said = "its provider's list" if offer.successor_by == LIST else _table()
        how = f"{said} names it as the successor"
        lacking = _lacking(deployment, named)
        if lacking:
            why = f"{why}; {named.model} is named as its successor, but {lacking}"
        else:
            yield _proposal(known, deployment, offer, named, why=why, how=how)
            return
    able = {one.own_id: one for one in alive.values() if not _lacking(deployment, one)}
    next_best = likeliest(offer.own_id, able)
    if next_best is not None:
        how = "a guess by its name alone: look it up"
        yield _proposal(known, deployment, offer, able[next_best], why=why, how=how)
    else:
        yield Proposal(
            deployment=deployment.name,
            why=f"{offer.model} {why}",
            evidence="nothing at its provider is known to do what it does",
            lines=(),
        )


def _alive(known: Catalogue, offer: Offer) -> dict[str, Offer]:
    """What its provider has that stays, by litellm's id."""
    return {
        one.model: one
        for one in known.at(offer.place)
        if one.model != offer.model
        and is_plain(one.model)
        and _ends(one, known.today) is None
    }


def _lacking(deployment: Deployment, offer: Offer) -> str:
    """What a deployment can do and an offer is not known to; empty: nothing."""
    for wanted, can, ability in (
        (deployment.vision, offer.vision, "see images"),
        (deployment.tools, offer.tools, "call tools"),
    ):
        if wanted and not can:
            known = "cannot" if can is False else "is not known to"
            return f"it {known} {ability}"
    return ""


def _sibling(
    settings: Settings,
    known: Catalogue,
    deployment: Deployment,
    offer: Offer,
    kin: Mapping[str, list[Offer]],
) -> Iterator[Proposal]:
    """The cheapest that is the same model elsewhere, or a later one of its line at the
    same provider, and does what the deployment does."""
    price = deployment.price
    if price is None or not (price.input or price.output):
        return
    same = [
        one
        for one in kin.get(model_name(offer.own_id), ())
        if one.place == offer.place or settings.providers[one.place.provider].available
    ]
    cheaper = [
        one
        for one in [*same, *_later(known, offer)]
        if _is_cheaper(one, price)
        and not one.used_as
        and one.model != offer.model
        and is_plain(one.model)
        and _fits(deployment, one, known.today)
    ]
    if not cheaper:
        return
    best = min(cheaper, key=lambda one: _total(one.price))
    how = "the same model" if best in same else "a later one of its line"
    if best.place != offer.place:
        how += f" at {best.place.provider}"
    why = f"costs {price}"
    yield _proposal(known, deployment, offer, best, why=why, how=how)


def _later(known: Catalogue, offer: Offer) -> list[Offer]:
    """The models of its line at its provider that are no older."""
    wanted, now = line(offer.own_id), version(offer.own_id)
    return [
        one
        for one in known.at(offer.place)
        if wanted and line(one.own_id) == wanted and version(one.own_id) >= now
    ]


def _fits(deployment: Deployment, offer: Offer, today: date) -> bool:
    window, output = offer.context_window or 0, offer.max_output
    return (
        not _lacking(deployment, offer)
        and _ends(offer, today) is None
        and window >= deployment.context_window
        and (output is None or output >= deployment.max_output)
    )


def _is_cheaper(offer: Offer, price: Price) -> bool:
    """Whether it costs less for input or output, and more for neither."""
    other = offer.price
    if other is None:
        return False
    lower = other.input < price.input or other.output < price.output
    return lower and other.input <= price.input and other.output <= price.output


def _total(price: Price | None) -> Decimal:
    return price.input + price.output if price is not None else Decimal(0)


def _proposal(
    known: Catalogue,
    deployment: Deployment,
    offer: Offer,
    new: Offer,
    *,
    why: str,
    how: str,
) -> Proposal:
    return Proposal(
        deployment=deployment.name,
        why=f"{offer.model} {why}",
        evidence=f"{how}; {_described(deployment, new, known.today)}",
        lines=tuple(_lines(deployment, new, known.today)),
    )


def _described(deployment: Deployment, new: Offer, today: date) -> str:
    """What is known of the new model beside what the deployment has."""
    before = f" (now {deployment.price})" if deployment.price else ""
    parts = [f"{new.price}{before}" if new.price else "price not known"]
    if _stays_free(deployment, new):
        parts = [f"free within {new.limits}" if new.limits else "free"]
    if new.context_window is not None:
        now = "the same"
        if new.context_window != deployment.context_window:
            now = f"now {deployment.context_window:,}"
        parts.append(f"window {new.context_window:,} ({now})")
    able = [
        word
        for word, can in (("sees images", new.vision), ("calls tools", new.tools))
        if can
    ]
    parts += [" and ".join(able)] if able else []
    parts.append(f"by {_who(new, tuple(new.said_by), today)}")
    return ", ".join(parts)


def _lines(deployment: Deployment, new: Offer, today: date) -> Iterator[str]:
    if new.place.provider != deployment.provider.name:
        yield f"provider: {new.place.provider}"
    yield f"model: {new.model}"
    if _stays_free(deployment, new):
        pass
    elif new.price is None:
        yield "# its price is not known: take the line `price` away, or correct it"
    elif new.price != deployment.price:
        yield f"price: {_mapping(new.price)}"
    if new.context_window not in (None, deployment.context_window):
        yield f"context_window: {new.context_window}"
    if new.max_output is not None and new.max_output < deployment.max_output:
        yield f"max_output: {new.max_output}"
    if new.listed:
        yield f"checked: {today}"
    if deployment.parameters:
        yield "# its `parameters` may not be right for this model"
    if deployment.klass is not None or deployment.limits:
        yield "# its `class` and `limits` are those of the model before"


def _stays_free(deployment: Deployment, new: Offer) -> bool:
    """Whether both cost nothing on the account's plan, whatever a list says."""
    price = deployment.price
    return new.free and price is not None and not (price.input or price.output)


def _mapping(price: Price) -> str:
    parts = {
        "input": price.input,
        "output": price.output,
        "cached_input": price.cached_input,
        "cache_write": price.cache_write,
    }
    shown = [
        f"{name}: {amount.normalize():f}"
        for name, amount in parts.items()
        if amount is not None
    ]
    return f"{{{', '.join(shown)}}}"


def _table() -> str:
    return f"litellm {table_version()}'s table"


def _who(offer: Offer, facts: tuple[str, ...], today: date) -> str:
    """Who says these facts, and when."""
    by = {offer.said_by[name] for name in facts if name in offer.said_by}
    page = f", {offer.page}" if offer.page and is_plain(offer.page) else ""
    names = {
        LIST: f"{offer.place.provider}'s list of {today}",
        YAML: "providers.yaml",
        TABLE: f"{_table()}{page}",
    }
    return " and ".join(text for who, text in names.items() if who in by)
