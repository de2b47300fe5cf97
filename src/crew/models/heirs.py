"""What follows a model by litellm's table: the successor that it names, or a guess."""

from datetime import date

from crew.models.names import likeliest
from crew.settings.litellm_table import chat_models, lookup


def named_heirs(first: str) -> list[str]:
    """A successor and, as it may be gone as well, what is named as its own, in order.
    All are litellm's ids."""
    found: list[str] = []
    while first and first not in found:
        found.append(first)
        facts = lookup(first)
        first = facts.successor if facts is not None else ""
    return found


def heir_words(model: str, on: date) -> str:
    """What follows a model that is retired on a day, in words; empty where nothing is
    known."""
    facts = lookup(model)
    for name in named_heirs(facts.successor if facts is not None else ""):
        then = lookup(name)
        if then is not None and _stays(then.deprecation_date, on):
            return f", then {name}"
    prefix, _, bare = model.partition("/")
    alive = [
        name.partition("/")[2]
        for name, one in chat_models(prefix).items()
        if _stays(one.deprecation_date, on)
    ]
    guess = likeliest(bare, alive)
    return f", perhaps {prefix}/{guess} instead" if guess else ""


def _stays(retires: date | None, on: date) -> bool:
    return retires is None or retires > on
