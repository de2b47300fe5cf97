"""What the journal knows of an experiment, and the change of YAML that its winner
would be."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from crew.alerts import Alert
from crew.experiments import Finding, Metric, find, read
from crew.experiments.proposing import (
    Inexpressible,
    difference,
    put_first,
    set_key,
)
from crew.journal import Journal, Trials
from crew.ladder import kind_of
from crew.reports.experiment import decided_line
from crew.settings import ArmSpec, ExperimentSpec, Settings
from crew.settings.patterns import Pattern

_ALERT = "experiment"
_LASTS = 7 * 86_400.0
"""Seconds after which a decided experiment that still goes on is reported again."""
_FILES = ("agents.yaml", "providers.yaml", "tiers.yaml")


def finding_of(
    journal: Journal, experiments: Mapping[str, ExperimentSpec], name: str
) -> Finding:
    """What an experiment says so far. One that is no longer in the YAML has the arms
    that its attempts name. Raises StoreUnavailable."""
    trials, spec = journal.trials.of(name), experiments.get(name)
    return find(name, read(trials)) if spec is None else _found(spec, trials)


def _found(spec: ExperimentSpec, trials: Trials) -> Finding:
    arms = [arm.name for arm in spec.arms]
    return find(spec.name, read(trials), arms=arms, decide_at=float(spec.decide_at))


def news(
    journal: Journal, experiments: Mapping[str, ExperimentSpec], run: str, now: float
) -> Iterator[Alert]:
    """An alert for each experiment that attempts of this run belong to and that is
    decided; who decided it may have ended too early to say so. `now` is in seconds
    since the epoch. Raises StoreUnavailable."""
    for name, spec in experiments.items():
        trials = journal.trials.of(name)
        if all(one.run != run for one in trials.attempts):
            continue
        finding = _found(spec, trials)
        if line := decided_line(finding):
            key = f"{_ALERT}:{name}:{finding.winner(Metric.SUCCESS)}"
            until = now + _LASTS
            yield Alert(kind=_ALERT, key=key, text=line, at=now, until=until)


def proposal(settings: Settings, finding: Finding, served: Mapping[str, int]) -> str:
    """The change that makes the winner by gate success the first choice, as a diff of
    the YAML, or in words where that cannot be written; empty without a winner.
    `served` are the deployments that its attempts were made at."""
    spec = settings.experiments.get(finding.name)
    winner = finding.winner(Metric.SUCCESS)
    arm = next((a for a in spec.arms if a.name == winner), None) if spec else None
    if spec is None or arm is None:
        return ""
    try:
        before = {
            name: (settings.config_dir / name).read_text(encoding="utf-8")
            for name in _FILES
        }
        if arm.pattern is not None:
            after = _with_pattern(dict(before), spec.role, arm.pattern)
        else:
            after = _changed(settings, spec.role, arm, dict(before), served)
    except (Inexpressible, OSError, UnicodeDecodeError) as exc:
        return f"no diff: {exc}; put {winner} first for {spec.role} yourself\n"
    shown = Path(settings.config_dir.name)
    return "".join(
        difference(str(shown / name), before[name], after[name]) for name in _FILES
    )


def _changed(
    settings: Settings,
    role: str,
    arm: ArmSpec,
    texts: dict[str, str],
    served: Mapping[str, int],
) -> dict[str, str]:
    tiers, providers = "tiers.yaml", "providers.yaml"
    first = arm.ladder[0] if arm.ladder else arm.deployment
    if arm.ladder and (strangers := [*_strangers(settings, arm)]):
        raise Inexpressible(f"make a tier of {', '.join(strangers)}")
    if first is not None and first in settings.tiers:
        texts["agents.yaml"] = set_key(texts["agents.yaml"], [role], "tier", first)
    elif first is not None:
        for path in _places(settings, role):
            texts[tiers] = put_first(texts[tiers], path, first)
    for step, then in zip(arm.ladder, arm.ladder[1:], strict=False):
        if step in settings.tiers and settings.tiers[step].then != then:
            texts[tiers] = set_key(texts[tiers], ["tiers", step], "then", then)
    if arm.prompt is not None:
        for name in [arm.deployment] if arm.deployment else served:
            if name in settings.deployments:
                path = ["deployments", name]
                texts[providers] = set_key(texts[providers], path, "prompt", arm.prompt)
    return texts


def _with_pattern(texts: dict[str, str], role: str, pattern: Pattern) -> dict[str, str]:
    if not pattern.parts:
        raise Inexpressible(f"take `pattern` out of {role} in agents.yaml")
    agents = texts["agents.yaml"]
    texts["agents.yaml"] = set_key(agents, [role], "pattern", str(pattern))
    return texts


def _strangers(settings: Settings, arm: ArmSpec) -> Iterator[str]:
    """Steps behind the first that are no tier: no chain says that."""
    return (step for step in arm.ladder[1:] if step not in settings.tiers)


def _places(settings: Settings, role: str) -> list[list[str]]:
    """The lists of tiers.yaml that say who is first at the tasks of a role."""
    found: dict[tuple[str, str], None] = {}
    for task in settings.tasks.values():
        if task.agent == role:
            kind = kind_of(settings, task)
            rules = (f"{kind}.{task.complexity}", kind or "")
            rule = next((one for one in rules if one in settings.routing), None)
            found[
                ("routing", rule) if rule else ("tiers", settings.roles[role].tier)
            ] = None
    return [list(path) for path in found]
