"""`crew check`."""

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import click

from crew.check.deployments import check_deployments
from crew.check.roles import unserved
from crew.cli.console import (
    DONE,
    print_safe,
)
from crew.clock import SystemClock
from crew.errors import (
    Mistake,
    SettingsError,
)
from crew.guard import QuotaGuard
from crew.runs.rehearsal import needed
from crew.settings import Settings
from crew.settings.check_inputs import check_file
from crew.settings.environment import config_directory, read_environment
from crew.settings.loader import load_settings, load_tiers
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
    settings = _settings(config)
    if mistakes := _run_mistakes(settings):
        raise SettingsError(mistakes)
    print(f"configuration: {settings.config_dir} is well-formed")
    probes: dict[str, Probe] = {}
    if online:
        # Imported here: only this needs an HTTP client.
        from crew.check.online import ask_all

        probes = ask_all(settings, partial(QuotaGuard.open, settings))
    elif any(provider.local for provider in settings.providers.values()):
        from crew.check.online import ask_own

        probes = ask_own(settings)
    today = datetime.fromtimestamp(SystemClock().now(), UTC).date()
    rows = check_deployments(settings, today, probes)
    name = max(len(row.deployment) for row in rows)
    model = max(len(row.model) for row in rows)
    for row in rows:
        notes = "; ".join(row.notes)
        print_safe(f"  {row.deployment:<{name}}  {row.model:<{model}}  {notes}")
    rehearsed = needed(settings)
    for line in unserved(settings, probes, rehearsed=rehearsed):
        print_safe(f"WARNING: {line}")
    if rehearsed:
        own = [one.name for one in settings.providers.values() if one.keyless]
        silent = f", and {' and '.join(own)} does not answer" if own else ""
        print_safe(
            f"no key is set{silent}: runs are rehearsals. Keys go into .env "
            "(.env.example)."
        )
    return DONE


def _settings(config: str | None) -> Settings:
    """The settings. A directory without agents.yaml and tasks.yaml is one for the
    agents of one's own project (`crew.tiers`), and has no roles to check."""
    directory = config_directory(config, read_environment())
    roles = any((directory / f"{name}.yaml").exists() for name in ("agents", "tasks"))
    return (load_settings if roles else load_tiers)(config)


def _run_mistakes(settings: Settings) -> list[Mistake]:
    """The mistakes for which `crew run` without arguments would stop."""
    given = settings.inputs
    if given is None:
        return []  # what tasks.yaml asks for, each run may give
    mistakes = check_file(settings.config_dir / "inputs.yaml", given)
    return mistakes + check_placeholders(settings, given)
