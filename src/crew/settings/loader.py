"""The YAML files become Settings, or one error with everything that is wrong."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from crew.errors import SettingsError
from crew.quota.limits import Limit
from crew.settings.alerts_shape import read_alerts
from crew.settings.check_budgets import limits_of_all, rules
from crew.settings.check_commands import check_checks, check_settings
from crew.settings.check_gates import check_gates, with_schemas
from crew.settings.check_names import check_names
from crew.settings.check_own import check_own
from crew.settings.check_patterns import check_patterns
from crew.settings.check_prompts import check_prompts
from crew.settings.check_providers import (
    check_headers,
    check_prices,
    check_providers_and_tiers,
)
from crew.settings.check_strategies import check_reserves
from crew.settings.check_tasks import (
    MANAGER,
    check_roles_and_tasks,
)
from crew.settings.conversion import (
    deployment,
    expanded,
    inputs,
    provider,
    role,
    rule_strategies,
    task,
    tiers,
)
from crew.settings.document import Document
from crew.settings.environment import (
    check_encoding,
    check_store,
    login,
    read_environment,
)
from crew.settings.experiments_shape import (
    check_experiments,
    experiments,
    read_experiments,
)
from crew.settings.files import PROCESSES, Files, Shapes
from crew.settings.fingerprint import fingerprint
from crew.settings.journal_shape import read_keep
from crew.settings.ladder_shape import ladder, read_ladder
from crew.settings.places import Place, located
from crew.settings.regression_shape import read_regression
from crew.settings.schema import (
    DeploymentShape,
    ProvidersFile,
    ProviderShape,
    RoleShape,
    RuleShape,
    Shape,
    TaskShape,
    TiersFile,
    TierShape,
)
from crew.settings.schema_inputs import InputsFile
from crew.settings.secrets import secrets_of
from crew.settings.validation import read
from crew.settings.values import Settings
from crew.settings.wording import unknown

ShapeT = TypeVar("ShapeT", bound=Shape)


def load_settings(
    config_dir: str | Path | Place | None = None,
    *,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Read the YAML files of a directory.

    The directory is `config_dir`, or the one that `places.find` finds; it warns of a
    configuration that nobody has accepted yet. `environ` is by default the
    environment, and below it the `.env` of the configuration; an `environ` that is
    given is all there is.

    Raises SettingsError with every mistake of every file.
    """
    place = located(config_dir, environ)
    environ = read_environment(place) if environ is None else environ
    if broken := check_encoding(environ):
        raise SettingsError(broken)
    files = _read_files(place, environ)
    shapes = _shapes(files)
    check_names(files)
    check_roles_and_tasks(files, shapes)
    check_patterns(files, shapes)
    check_gates(files, shapes, place.directory)
    check_own(files, shapes, place.directory)
    check_experiments(files, shapes)
    return _checked(place, environ, files, shapes)


def load_tiers(
    config_dir: str | Path | Place | None = None,
    *,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """The settings without roles, tasks and inputs: of providers.yaml and tiers.yaml
    alone, whatever else lies beside them.

    Raises SettingsError with every mistake of the two files.
    """
    place = located(config_dir, environ)
    environ = read_environment(place) if environ is None else environ
    directory, known = place.directory, place.contents
    files = Files(
        agents=Document.left_out(directory / "agents.yaml"),
        tasks=Document.left_out(directory / "tasks.yaml"),
        providers=Document(directory / "providers.yaml", environ, known=known),
        tiers=Document(directory / "tiers.yaml", environ, known=known),
        inputs=None,
    )
    return _checked(place, environ, files, _shapes(files))


def _checked(
    place: Place, environ: Mapping[str, str], files: Files, shapes: Shapes
) -> Settings:
    """The settings, once all files are without a mistake. Raises SettingsError."""
    check_providers_and_tiers(files, shapes)
    providers = {
        name: provider(name, shape, files.providers)
        for name, shape in shapes.providers.items()
    }
    deployments = {
        name: deployment(name, shape, providers[shape.provider])
        for name, shape in shapes.deployments.items()
        if shape.provider in providers
    }
    check_prices(files.providers, deployments, shapes.tiers_file)
    check_reserves(files.tiers, shapes, deployments)
    check_headers(files.providers, providers)
    styles = check_prompts(files, shapes, place.directory, place.contents, deployments)
    mistakes = [mistake for file in files.all() for mistake in file.mistakes]
    mistakes += check_store(environ.get("CREW_STORE"))
    if mistakes or shapes.tiers_file is None:
        ordered = sorted(mistakes, key=lambda one: (one.file, one.line or 0))
        raise SettingsError(list(dict.fromkeys(ordered)))
    settings = _settings(place, environ, shapes, shapes.tiers_file)
    return replace(
        settings,
        providers=providers,
        deployments=deployments,
        prompts=shapes.prompts,
        styles=styles,
        regression=shapes.regression,
        keep_seconds=shapes.keep_seconds,
        config_hash=fingerprint(files, styles.values()),
    )


def _settings(
    place: Place, environ: Mapping[str, str], shapes: Shapes, limits: TiersFile
) -> Settings:
    """The settings but for the providers and their deployments. `limits` are the
    user's own, with the tiers."""
    state = Path(environ.get("CREW_STATE_DIR") or ".crew")
    return Settings(
        config_dir=place.directory,
        state_dir=state,
        store_url=environ.get("CREW_STORE") or f"sqlite:///{state / 'quota.db'}",
        user=environ.get("CREW_USER") or login(),
        team=environ.get("CREW_TEAM") or "default",
        providers={},
        deployments={},
        tiers=tiers(shapes.tiers, limits.strategy),
        routing={n: expanded(r.chain, shapes.tiers) for n, r in shapes.rules.items()},
        rule_strategies=rule_strategies(shapes.rules, limits.strategy),
        free_quota=limits.free_quota,
        roles={name: role(name, shape) for name, shape in shapes.roles.items()},
        tasks={
            n: with_schemas(task(n, one), place.directory)
            for n, one in shapes.tasks.items()
        },
        process=shapes.process,
        manager=MANAGER,
        budgets=limits_of_all(limits),
        budget_rules=rules(limits),
        quotas=_quotas(limits),
        max_wait=limits.max_wait,
        max_calls=limits.max_calls,
        deadline=limits.deadline,
        store_failure=limits.store_failure,
        ladder=ladder(shapes.ladder),
        alerts=shapes.alerts,
        inputs=inputs(shapes.inputs) if shapes.inputs is not None else None,
        experiments=experiments(shapes.experiments),
        checks=check_settings(shapes.inputs),
        secrets=secrets_of(place.directory, environ),
        digests=place.snapshot.digests if place.snapshot is not None else None,
    )


def _quotas(file: TiersFile) -> dict[str, tuple[Limit, ...]]:
    return {
        f"{scope}:{member}" if member else scope: tuple(own)
        for scope, members in file.quotas.items()
        for member, own in members.items()
    }


def _read_files(place: Place, environ: Mapping[str, str]) -> Files:
    directory, known = place.directory, place.contents
    inputs, split = directory / "inputs.yaml", directory / "experiments.yaml"

    def is_there(path: Path) -> bool:
        return path.exists() if known is None else path.name in known

    return Files(
        agents=Document(directory / "agents.yaml", environ, known=known),
        tasks=Document(directory / "tasks.yaml", environ, known=known),
        providers=Document(directory / "providers.yaml", environ, known=known),
        tiers=Document(directory / "tiers.yaml", environ, known=known),
        inputs=Document(inputs, environ, as_written="values", paths=True, known=known)
        if is_there(inputs)
        else None,
        experiments=Document(split, environ, known=known) if is_there(split) else None,
    )


def _shapes(files: Files) -> Shapes:
    """Each entry of the files by itself, so that one mistake does not hide others."""
    tiers_file = inputs = None
    providers_file = None
    if files.providers.data is not None:
        providers_file = read(files.providers, ProvidersFile)
    if files.tiers.data is not None:
        tiers_file = read(files.tiers, TiersFile)
    if files.inputs is not None and files.inputs.data is not None:
        inputs = read(files.inputs, InputsFile)
        if inputs is not None:
            check_checks(files.inputs, inputs)
    return Shapes(
        roles=_entries(files.agents, RoleShape),
        process=_process(files.tasks),
        tasks=_entries(files.tasks, TaskShape, leaving_out="process"),
        providers=_entries(files.providers, ProviderShape, "providers"),
        deployments=_entries(files.providers, DeploymentShape, "deployments"),
        tiers=_entries(files.tiers, TierShape, "tiers"),
        rules=_entries(files.tiers, RuleShape, "routing"),
        tiers_file=tiers_file,
        ladder=read_ladder(files.tiers),
        alerts=read_alerts(files.tiers),
        regression=read_regression(files.tiers),
        keep_seconds=read_keep(files.tiers),
        inputs=inputs,
        prompts=providers_file.prompts if providers_file else {},
        experiments=read_experiments(files.experiments),
    )


def _entries(
    document: Document, shape: type[ShapeT], *section: str, leaving_out: str = ""
) -> dict[str, ShapeT]:
    entries: dict[str, ShapeT] = {}
    folded: dict[str, str] = {}
    for name in document.names(*section) or []:
        if name != leaving_out:
            first = folded.setdefault(name.casefold(), name)
            if first != name:
                document.reject_key(
                    (*section, name),
                    f"differs from {first!r} in upper and lower case only",
                )
            entry = read(document, shape, (*section, name))
            if entry is not None:
                entries[name] = entry
    return entries


def _process(tasks: Document) -> str:
    """What tasks.yaml says, or the default."""
    found = (tasks.data or {}).get("process", PROCESSES[0])
    if found in PROCESSES:
        return str(found)
    tasks.reject(("process",), unknown("process", str(found), PROCESSES))
    return PROCESSES[0]
