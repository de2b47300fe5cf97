"""`crew check`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING

import click

from crew.check.deployments import Row, check_deployments
from crew.check.ladders import LEGEND, ladder_lines
from crew.check.patterns import LEGEND as PATTERNS
from crew.check.patterns import pattern_lines
from crew.check.roles import unserved
from crew.check.serving import helps_most, serving
from crew.cli.console import (
    DONE,
    print_notice,
    print_safe,
)
from crew.cli.place import placed, search_lines
from crew.cli.settings_of import settings_of
from crew.clock import SystemClock
from crew.errors import (
    Mistake,
    SettingsError,
)
from crew.guard import QuotaGuard
from crew.ladder import Unmeasured
from crew.models.asking import by_place
from crew.models.catalogue import catalogue
from crew.models.lines import proposal_lines
from crew.models.proposals import proposals
from crew.runs.measured import known_rates
from crew.runs.rehearsal import needed
from crew.settings import Settings
from crew.settings.check_inputs import check_file
from crew.settings.placeholders import check_placeholders

if TYPE_CHECKING:
    from crew.providers.probe import Probe


@click.command(
    help="Check the YAML. For each deployment it reports whether its key is set, "
    "whether its model is known or retired, and where litellm's table allows less "
    "than the YAML; for each role, whether its chain can do what the role needs. "
    "Without --online it makes no request."
)
@click.option(
    "--online",
    is_flag=True,
    help="Ask each provider that has a key about the key and its models: id, "
    "abilities, window, price, retirement. This is free, except for a gateway (a "
    "base_url of your own) that does not list its models: it gets one call of a few "
    "tokens, if the limits have room for it.",
)
@click.pass_obj
def command(config: str | None, online: bool) -> int:
    """Check the configuration and the deployments; returns the exit code."""
    place = placed(config)
    settings = settings_of(place)
    if mistakes := _run_mistakes(settings):
        raise SettingsError(mistakes)
    print_safe(f"configuration: {settings.config_dir} is well-formed")
    for line in search_lines(place):
        print_safe(line)
    probes: dict[str, Probe] = {}
    if online:
        # Imported here: only this needs an HTTP client.
        from crew.check.online import ask_all

        probes = ask_all(settings, partial(QuotaGuard.open, settings))
    elif any(provider.local for provider in settings.providers.values()):
        from crew.check.online import ask_own

        probes = ask_own(settings)
    today = datetime.fromtimestamp(SystemClock().now(), UTC).date()
    rehearsed = needed(settings)
    _print_roles(settings, probes, rehearsed=rehearsed)
    _print_patterns(settings, probes, rehearsed=rehearsed)
    _print_ladders(settings, probes, rehearsed=rehearsed)
    _print_deployments(check_deployments(settings, today, probes))
    _print_proposals(settings, probes, today)
    for line in unserved(settings, probes, rehearsed=rehearsed):
        print_safe(f"WARNING: {line}")
    if rehearsed:
        own = [one.name for one in settings.providers.values() if one.keyless]
        silent = f", and {' and '.join(own)} does not answer" if own else ""
        print_safe(
            f"no key is set{silent}: runs are rehearsals. Keys go into "
            f"{place.key_file}."
        )
    return DONE


def _print_roles(
    settings: Settings, probes: "Mapping[str, Probe]", *, rehearsed: bool
) -> None:
    """Who serves each role, and the key that helps most."""
    served = serving(settings, probes, rehearsed=rehearsed)
    if not served:
        return
    role = max(len(one.role) for one in served)
    work = max(len(one.work) for one in served)
    print("Roles, and who serves them" + (" in a rehearsal" if rehearsed else ""))
    for one in served:
        print_safe(f"  {one.role:<{role}}  {one.work:<{work}}  {one.shown}")
    if (key := helps_most(settings)) is not None:
        gains = [
            f"{', '.join(roles)} {verb}"
            for roles, verb in (
                (key.unserved, "would be served"),
                (key.better, "would get a better first choice"),
            )
            if roles
        ]
        free = " (it has free models)" if key.free else ""
        print_safe(f"The key that helps most: {key.variable}{free}: {'; '.join(gains)}")


def _print_patterns(
    settings: Settings, probes: "Mapping[str, Probe]", *, rehearsed: bool
) -> None:
    """The models that make the calls of a role together."""
    lines = pattern_lines(settings, probes, rehearsed=rehearsed)
    if lines:
        print(PATTERNS)
    for line in lines:
        print_safe(line)


def _print_ladders(
    settings: Settings, probes: "Mapping[str, Probe]", *, rehearsed: bool
) -> None:
    """The ladder of each task. A rehearsal climbs as the YAML says."""
    rates = Unmeasured() if rehearsed else known_rates(settings, print_notice)
    lines = ladder_lines(settings, rates, probes, rehearsed=rehearsed)
    if lines:
        print(LEGEND)
    for line in lines:
        print_safe(line)


def _print_deployments(rows: Sequence[Row]) -> None:
    """What is known of each deployment."""
    print("Deployments")
    name = max(len(row.deployment) for row in rows)
    model = max(len(row.model) for row in rows)
    for row in rows:
        notes = "; ".join(row.notes)
        print_safe(f"  {row.deployment:<{name}}  {row.model:<{model}}  {notes}")


def _print_proposals(
    settings: Settings, probes: "Mapping[str, Probe]", today: date
) -> None:
    """What could serve in place of what is retired or dear."""
    found = proposals(settings, catalogue(settings, by_place(settings, probes), today))
    if found:
        print("Proposals for providers.yaml (nothing is changed by itself)")
    for line in proposal_lines(found):
        print_safe(line)


def _run_mistakes(settings: Settings) -> list[Mistake]:
    """The mistakes for which `crew run` without arguments would stop."""
    given = settings.inputs
    if given is None:
        return []  # what tasks.yaml asks for, each run may give
    mistakes = check_file(settings.config_dir / "inputs.yaml", given)
    return mistakes + check_placeholders(settings, given)
