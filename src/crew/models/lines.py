"""The catalogue as text for a terminal of 80 columns, and as JSON."""

from collections.abc import Iterable, Iterator, Sequence
from textwrap import shorten, wrap

from crew.models.asking import Place
from crew.models.catalogue import Catalogue, Offer
from crew.models.free_plans import free_plan
from crew.models.proposals import Proposal
from crew.settings import Settings
from crew.settings.litellm_table import table_version

WIDTH = 79
BESIDE = 5
"""Lines of a screen beside the list: the head, what is left out, the foot."""
HEAD = f"{'$/M in/out':>11} {'window':>6}  {'can':<9}  model (* in the YAML)"
_BELOW = 21
_SHORT = (
    ("input_tokens/", "input tokens/"),
    (" requests/", "/"),
    ("/minute", "/min"),
    (" refilling", ""),
    (" @ America/Los_Angeles", ""),
    (" @ UTC", ""),
)
_SHARES = ((1_000_000, "M"), (1_000, "K"))


def list_lines(offers: Sequence[Offer], *, most: int | None) -> Iterator[str]:
    """A head, and a line for each offer with another for what is to be known of it; no
    more than `most` lines, and then how many are left."""
    yield HEAD
    taken = 0
    for place, offer in enumerate(offers):
        lines = list(_offer_lines(offer))
        taken += len(lines)
        if most is not None and taken > most:
            yield f"... and {len(offers) - place} more: --all, or name more words"
            return
        yield from lines


def _offer_lines(offer: Offer) -> Iterator[str]:
    can = f"{'see' if offer.vision else '':<3} {'tools' if offer.tools else '':<5}"
    size, mark = _size(offer.context_window), "*" if offer.used_as else " "
    yield f"{_price(offer):>11} {size:>6}  {can} {mark}{offer.model}"
    if notes := "; ".join(_notes(offer)):
        yield f"{'':<{_BELOW}}{shorten(notes, WIDTH - _BELOW, placeholder=' ...')}"


def _notes(offer: Offer) -> Iterator[str]:
    if offer.unusable:
        yield offer.unusable
    if offer.listed is False:
        yield "NOT LISTED any more"
    if offer.retires is not None:
        then = f", then {offer.successor}" if offer.successor else ""
        yield f"retires {offer.retires}{then}"
    if offer.used_as:
        yield f"is {', '.join(offer.used_as)}"
    if offer.limits and offer.free:
        limits = offer.limits
        for long, short in _SHORT:
            limits = limits.replace(long, short)
        yield limits
    elif offer.is_free_by_table:
        yield "free by litellm's table alone"


def _price(offer: Offer) -> str:
    if offer.free:
        return "free"
    if offer.price is None:
        return "?"
    return "/".join(
        f"{amount:.3f}".rstrip("0").rstrip(".")
        for amount in (offer.price.input, offer.price.output)
    )


def _size(tokens: int | None) -> str:
    """Tokens as the YAML may have them: 262K, 1.05M."""
    for unit, letter in _SHARES:
        if tokens is not None and tokens >= unit:
            return f"{tokens / unit:.3g}{letter}"
    return "?" if tokens is None else str(tokens)


def place_lines(settings: Settings, known: Catalogue) -> Iterator[str]:
    """One line for each place: how many models there are, and who says so."""
    names = [_place_name(place) for place in known.places]
    width = max(map(len, names), default=0)
    head = f"{'models':>6} {'free':>5} {'see':>5} {'tools':>5} {'used':>4}"
    yield f"{'':<{width}}  {head}"
    for name, place in zip(names, known.places, strict=True):
        offers = known.at(place)
        counts = (
            len(offers),
            sum(one.free for one in offers),
            sum(bool(one.vision) for one in offers),
            sum(bool(one.tools) for one in offers),
        )
        used = sum(bool(one.used_as) for one in offers)
        first, *others = (f"{count:>5}" for count in counts)
        said = source(settings, known, place)
        line = f"{name:<{width}}  {first:>6} {' '.join(others)} {used:>4}  {said}"
        yield line[:WIDTH]


def _place_name(place: Place) -> str:
    same = place.family.removesuffix("_chat") == place.provider
    return place.provider if same else f"{place.provider} ({place.family})"


def source(settings: Settings, known: Catalogue, place: Place) -> str:
    """Who says what there is at a place, and why it is not its own list."""
    probe, provider = known.answers.get(place), settings.providers[place.provider]
    if probe is None:
        variable = provider.api_key_variable
        return f"{variable or 'its key'} is not set"
    if probe.error is not None:
        return str(probe.error).partition(": ")[2] or "it does not answer"
    if not probe.models:
        return "it lists no models"
    return "its list" if probe.whole else "the first of its list"


def foot_lines(known: Catalogue) -> Iterator[str]:
    """Where the numbers come from."""
    asked = sum(bool(probe.models) for probe in known.answers.values())
    if asked == len(known.places):
        return
    which = (
        "No provider was asked. The models are"
        if not known.answers
        else (
            "Some providers sent no list. Their models are"
            if asked
            else "No provider sent a list. The models are"
        )
    )
    yield from wrap(
        f"{which} those in the table of litellm {table_version()}; your key may reach "
        "others.",
        WIDTH,
    )


def proposal_lines(found: Iterable[Proposal]) -> Iterator[str]:
    """Each proposal with its evidence, and the lines of YAML to copy."""
    for one in found:
        yield f"  {one.deployment}: {one.why}"
        yield f"    {one.evidence}"
        yield from (f"      {line}" for line in one.lines)


def document(settings: Settings, known: Catalogue, offers: Iterable[Offer]) -> object:
    """The catalogue as one JSON document; null is "not known"."""
    return {
        "date": known.today.isoformat(),
        "litellm": table_version(),
        "providers": [
            {
                "provider": place.provider,
                "family": place.family,
                "asked": place in known.answers,
                "listed": bool(place in known.answers and known.answers[place].models),
                "source": source(settings, known, place),
            }
            for place in known.places
        ],
        "models": [_entry(one) for one in offers],
    }


def _entry(offer: Offer) -> dict[str, object]:
    price = offer.price
    plan = free_plan(offer.place.family, offer.own_id) if offer.free else None
    return {
        "provider": offer.place.provider,
        "model": offer.model,
        "used_as": list(offer.used_as),
        "free": offer.free,
        "input_usd": None if price is None else float(price.input),
        "output_usd": None if price is None else float(price.output),
        "context_window": offer.context_window,
        "max_output": offer.max_output,
        "vision": offer.vision,
        "tools": offer.tools,
        "retires": None if offer.retires is None else offer.retires.isoformat(),
        "successor": offer.successor or None,
        "limits": offer.limits or None,
        "free_plan": None if plan is None else f"{plan.shown}, {plan.source}",
        "listed": offer.listed,
        "said_by": dict(offer.said_by),
        "source": offer.page or None,
    }
