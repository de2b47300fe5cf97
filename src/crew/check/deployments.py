"""What is known of each deployment before it is called: its key, its id, its price,
and whether it can do what its chains need."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Protocol

from crew.check.roles import passed_over
from crew.models.heirs import heir_words
from crew.models.names import likeliest
from crew.settings import Deployment, Settings
from crew.settings.litellm_table import NOTHING_KNOWN, likely_prefix, lookup
from crew.settings.prompts import style_for

if TYPE_CHECKING:
    from crew.providers.listing import Listed
    from crew.providers.probe import Probe

SOON = timedelta(days=60)
"""How long before its retirement a model gets a note."""


class Abilities(Protocol):
    """What a model can do, by somebody's account; None: it does not mention that."""

    @property
    def vision(self) -> bool | None: ...
    @property
    def tools(self) -> bool | None: ...
    @property
    def context_window(self) -> int | None: ...
    @property
    def max_output(self) -> int | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What there is to say about one deployment."""

    deployment: str
    model: str
    notes: tuple[str, ...]


def check_deployments(
    settings: Settings, today: date, probes: "Mapping[str, Probe]"
) -> list[Row]:
    """One row for each deployment, in the order of providers.yaml. `probes` are
    the answers of the providers to those that were asked about, by name."""
    lacking = passed_over(settings)
    return [
        Row(
            deployment=name,
            model=deployment.model,
            notes=(
                _key(deployment),
                *_identity(deployment, today),
                *_prompt(settings, served(deployment, probes)),
                *_knowledge(served(deployment, probes), probes.get(name)),
                *_abilities(lacking.get(name, ())),
                *_served(deployment, served(deployment, probes)),
                *_answer(served(deployment, probes), today, probes.get(name)),
            ),
        )
        for name, deployment in settings.deployments.items()
    ]


def served(deployment: Deployment, probes: "Mapping[str, Probe]") -> Deployment:
    """The deployment with what a server of one's own says of it, as a run has it."""
    probe = probes.get(deployment.name)
    return deployment if probe is None else probe.served(deployment)


def _served(deployment: Deployment, found: Deployment) -> Iterator[str]:
    if found.model != deployment.model:
        yield f"it serves {found.model.partition('/')[2]} alone, which is called"
    if found.context_window != deployment.context_window:
        yield f"window {found.context_window:,} tokens, by its own account"


def _key(deployment: Deployment) -> str:
    provider = deployment.provider
    if provider.local:
        return "local"
    if provider.keyless:
        return "needs no key"
    if provider.api_key is None:
        return f"no key: {provider.api_key_variable} is not set"
    return "key set"


def _identity(deployment: Deployment, today: date) -> Iterator[str]:
    facts = lookup(deployment.model)
    if facts is None:
        if not deployment.provider.local:
            yield "litellm does not list this id"
        if "/" not in deployment.model:
            yield "WITHOUT A PREFIX such as openai/ nobody knows where to send it"
        elif (meant := likely_prefix(deployment.family)) is not None:
            yield f"is {deployment.family}/ meant to be {meant}/?"
        return
    retires = facts.deprecation_date
    if retires is not None and retires <= today + SOON:
        word = "RETIRED" if retires <= today else "retires"
        yield f"{word} {retires}" + heir_words(deployment.model, max(today, retires))


def _prompt(settings: Settings, deployment: Deployment) -> Iterator[str]:
    style = style_for(settings, deployment)
    if style.text:
        yield f"prompt {style.name}"


def _knowledge(deployment: Deployment, probe: "Probe | None") -> Iterator[str]:
    if deployment.price is None:
        yield "price unknown"
    facts = lookup(deployment.model) or NOTHING_KNOWN
    if deployment.window_assumed:
        yield "window taken as 128,000 tokens"
    listed = probe.find(deployment) if probe else None
    reported = list(_less(deployment, listed)) if listed else []
    # What the provider says as well is in its own note.
    against = [one for one in _less(deployment, facts) if one not in reported]
    if against:
        yield f"litellm says: {', '.join(against)}"


def _less(deployment: Deployment, reported: Abilities) -> Iterator[str]:
    """Where somebody says that the model can do less than the YAML has it do."""
    if deployment.vision and reported.vision is False:
        yield "cannot see"
    if deployment.tools and reported.tools is False:
        yield "cannot call tools"
    sizes = (
        ("window", reported.context_window, deployment.context_window),
        ("output", reported.max_output, deployment.max_output),
    )
    for name, theirs, ours in sizes:
        if theirs is not None and theirs < ours:
            yield f"{name} {theirs:,}, not {ours:,}"


def _abilities(lacking: tuple[str, ...]) -> Iterator[str]:
    if "images" in lacking:
        yield "cannot see: passed over for images"
    if "tools" in lacking:
        yield "tools by text: it is asked to write its calls"


def _answer(
    deployment: Deployment, today: date, probe: "Probe | None"
) -> Iterator[str]:
    if probe is None:
        return
    if probe.called:
        yield f"asked: it lists no models; {_call(deployment, probe)}"
    elif probe.error is not None:
        yield f"asked: {_failure(probe)}"
    elif not probe.models:
        yield "asked: it answers, and lists no models"
    elif (listed := probe.find(deployment)) is not None:
        yield "asked: it has this model"
        if against := list(_against(deployment, listed, today)):
            yield f"it says: {', '.join(against)}"
    elif probe.whole:
        yield f"asked: it DOES NOT LIST this model{_nearest(deployment, probe)}"
    else:
        yield "asked: it does not list this model among the first"


def _call(deployment: Deployment, probe: "Probe") -> str:
    which = "it" if probe.called == deployment.name else probe.called
    if probe.refused:
        return f"{which} was not called: {probe.refused}"
    if probe.error is not None:
        return f"{which} was called: {_failure(probe)}"
    return f"{which} was called, and answers"


def _failure(probe: "Probe") -> str:
    # The name of the provider is not news in its own row.
    return str(probe.error).partition(": ")[2]


def _against(deployment: Deployment, listed: "Listed", today: date) -> Iterator[str]:
    """What the provider says of its model that the YAML has otherwise."""
    if listed.unusable:
        yield listed.unusable.upper()
    yield from _less(deployment, listed)
    if listed.price is not None and listed.price != deployment.price:
        ours = f", not {deployment.price}" if deployment.price else ""
        yield f"price {listed.price}{ours}"
    reported = (lookup(deployment.model) or NOTHING_KNOWN).deprecation_date
    if listed.retires and listed.retires <= today + SOON and listed.retires != reported:
        # What is listed may be there still: a retirement may be late.
        word = "was to retire" if listed.retires <= today else "retires"
        heir = f", then {listed.successor}" if listed.successor else ""
        yield f"{word} {listed.retires}{heir}"


def _nearest(deployment: Deployment, probe: "Probe") -> str:
    prefix, _, bare = deployment.model.partition("/")
    usable = [name for name, one in probe.models.items() if not one.unusable]
    found = likeliest(bare, usable)
    return f", perhaps {prefix}/{found} instead" if found else ""
