"""What is known of each deployment before it is called: its key, its id, its price,
and whether it can do what its chains need."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from crew.model_map import ModelFacts, lookup, successor
from crew.settings import Deployment, Provider, Settings

if TYPE_CHECKING:
    from crew.providers.online import Account

SOON = timedelta(days=60)
"""How long before it is retired a model is worth a word."""

Ask = Callable[[Provider, str], "Account"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What there is to say about one deployment."""

    deployment: str
    model: str
    notes: tuple[str, ...]


def check_deployments(
    settings: Settings, today: date, accounts: "Mapping[str, Account]"
) -> list[Row]:
    """One row for each deployment, in the order of providers.yaml. `accounts` is what
    the providers said that were asked, by name."""
    needs = dict(_needs(settings))
    return [
        Row(
            deployment=name,
            model=deployment.model,
            notes=(
                _key(deployment),
                *_identity(deployment, today),
                *_knowledge(deployment),
                *_abilities(deployment, needs.get(name, set())),
                *_answer(deployment, accounts.get(deployment.provider.name)),
            ),
        )
        for name, deployment in settings.deployments.items()
    ]


def ask_accounts(settings: Settings, ask: Ask) -> "dict[str, Account]":
    """Ask each provider that a call could go to which models its key may use."""
    return {
        deployment.provider.name: ask(deployment.provider, deployment.family)
        for deployment in {
            one.provider.name: one for one in settings.deployments.values()
        }.values()
        if deployment.provider.available
    }


def _key(deployment: Deployment) -> str:
    provider = deployment.provider
    if provider.local:
        return "local"
    if provider.api_key is None:
        return f"no key: {provider.api_key_variable} is not set"
    return "key set"


def _identity(deployment: Deployment, today: date) -> Iterator[str]:
    facts = lookup(deployment.model)
    if facts is None:
        if not deployment.provider.local:
            yield "litellm does not list this id"
        return
    retires = facts.deprecation_date
    if retires is None or retires > today + SOON:
        return
    word = "RETIRED" if retires <= today else "retires"
    heir = successor(deployment.model, max(today, retires))
    yield f"{word} {retires}" + (f", perhaps {heir} instead" if heir else "")


def _knowledge(deployment: Deployment) -> Iterator[str]:
    if deployment.price is None:
        yield "price unknown"
    facts: ModelFacts | None = lookup(deployment.model)
    if deployment.context_window == 128_000 and (
        facts is None or facts.context_window is None
    ):
        yield "window taken as 128,000 tokens"


def _needs(settings: Settings) -> Iterator[tuple[str, set[str]]]:
    """What each deployment may be asked for, by the roles whose chain it is in."""
    needs: dict[str, set[str]] = {}
    for role in settings.roles.values():
        wanted = {"tools"} if role.tools or role.name == settings.manager else set()
        if "look_at_image" in role.tools:
            wanted.add("images")
        for name in settings.tiers[role.tier].chain:
            needs.setdefault(name, set()).update(wanted)
    yield from needs.items()


def _abilities(deployment: Deployment, needs: set[str]) -> Iterator[str]:
    if "images" in needs and not deployment.vision:
        yield "cannot see: passed over for images"
    if "tools" in needs and not deployment.tools:
        yield "cannot call tools: passed over by roles that have some"


def _answer(deployment: Deployment, account: "Account | None") -> Iterator[str]:
    if account is None:
        return
    if account.error is not None:
        # The name of the provider is not news in its own row.
        yield f"asked: {str(account.error).partition(': ')[2]}"
    elif not account.models:
        yield "asked: it answers"
    else:
        bare = deployment.model.partition("/")[2]
        known = bare in account.models
        yield f"asked: it {'has' if known else 'DOES NOT LIST'} this model"
