"""The shape of experiments.yaml, and what it must name in the other files."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field, InstanceOf

from crew.settings.check_patterns import idle
from crew.settings.document import Document
from crew.settings.experiments import STYLES, ArmSpec, ExperimentSpec
from crew.settings.fields import Text
from crew.settings.files import Files, Shapes, expect
from crew.settings.names import flaw, twins
from crew.settings.patterns import Pattern
from crew.settings.patterns import flaw as flaw_of
from crew.settings.schema import Shape
from crew.settings.validation import read
from crew.settings.wording import shown, unknown

_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?) ?%")
_MOST_ARMS = 5
_ARM = (
    "a deployment, {deployment: NAME}, {prompt: STYLE}, both, {ladder: [NAME, NAME]}, "
    "{pattern: {PART: NAME, ...}}, or {pattern: none}"
)
_ALONE = "none"


def _share(value: object) -> Decimal:
    match = _SHARE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is not None and 0 < Decimal(match[1]) <= 100:
        return Decimal(match[1]) / 100
    raise ValueError(
        f"found {shown(value)}; allowed: a share of the tasks, over 0 % to 100 %"
    )


def _decide_at(value: object) -> Decimal:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and 2 <= float(str(value)) <= 1_000_000:
        return Decimal(str(value))
    raise ValueError(
        f"found {shown(value)}; allowed: a number from 2 to 1000000; 20 is a false "
        "winner in 1 of 20 experiments at most"
    )


def _arm(value: object) -> ArmSpec:
    if isinstance(value, str) and value.strip():
        return ArmSpec(deployment=value)
    if isinstance(value, dict) and value:
        steps = value.get("ladder")
        if set(value) <= {"deployment", "prompt"} and _are_names(value.values()):
            return ArmSpec(**value)
        if (
            isinstance(steps, list)
            and set(value) == {"ladder"}
            and len(steps) > 1
            and _are_names(steps)
        ):
            return ArmSpec(ladder=tuple(steps))
        if set(value) == {"pattern"}:
            return ArmSpec(pattern=_pattern(value["pattern"]))
    raise ValueError(f"found {shown(value)}; allowed: {_ARM}")


def _pattern(value: object) -> Pattern:
    if value == _ALONE:
        return Pattern()
    if not isinstance(value, dict):
        raise ValueError(f"found {shown(value)}; allowed: {_ARM}")
    parts = {}
    for part, chain in value.items():
        names = [chain] if isinstance(chain, str) else chain
        if not isinstance(names, list) or not _are_names(names):
            raise ValueError(f"found {shown(chain)} for {part}; allowed: {_ARM}")
        parts[str(part)] = tuple(names)
    if wrong := flaw_of(list(parts)):
        raise ValueError(wrong)
    return Pattern(parts=parts)


def _are_names(found: Iterable[object]) -> bool:
    names = list(found)
    return bool(names) and all(isinstance(one, str) and one.strip() for one in names)


class ExperimentShape(Shape):
    """One experiment of experiments.yaml."""

    role: Text
    arms: Annotated[
        list[Annotated[InstanceOf[ArmSpec], BeforeValidator(_arm)]],
        Field(min_length=2, max_length=_MOST_ARMS),
    ]
    share: Annotated[InstanceOf[Decimal], BeforeValidator(_share)] = Decimal("0.5")
    decide_at: Annotated[InstanceOf[Decimal], BeforeValidator(_decide_at)] = Decimal(20)
    seed: int = 0


class ExperimentsFile(Shape):
    """experiments.yaml as a whole."""

    experiments: dict[str, object]


def read_experiments(document: Document | None) -> dict[str, ExperimentShape]:
    """Each experiment by itself, so that one mistake does not hide others."""
    if document is None or document.data is None:
        return {}
    read(document, ExperimentsFile)
    found = {}
    for name in document.names("experiments") or []:
        shape = read(document, ExperimentShape, ("experiments", name))
        if shape is not None:
            found[name] = shape
    return found


def check_experiments(files: Files, shapes: Shapes) -> None:
    """Note in the file what does not fit together with the others."""
    document = files.experiments
    if document is None:
        return
    names = document.names("experiments") or []
    shadowed = twins(names)
    for name in names:
        wrong = flaw(name)
        if wrong is None and name in shadowed:
            wrong = f"cannot stand beside {shadowed[name]!r}"
        if wrong is not None:
            document.reject_key(("experiments", name), wrong)
    first: dict[str, str] = {}
    for name, shape in shapes.experiments.items():
        path = ("experiments", name)
        _check_role(files, shapes, name, shape)
        earlier = first.setdefault(shape.role, name)
        if earlier != name and shape.role != "?":
            document.reject(
                (*path, "role"), f"{shape.role} is in the experiment {earlier!r}, too"
            )
        _check_arms(document, files, name, shape)
        _check_pattern_arms(document, files, shapes, name, shape)


def _check_role(
    files: Files, shapes: Shapes, name: str, shape: ExperimentShape
) -> None:
    document, path = files.experiments, ("experiments", name, "role")
    roles = files.agents.names()
    if document is None or roles is None:
        return
    expect(document, path, "role", shape.role, roles)
    working = {task.agent for task in shapes.tasks.values()}
    if shape.role in roles and shape.role not in working and files.tasks.data:
        document.reject(path, f"no task of tasks.yaml has `agent: {shape.role}`")


def _check_arms(
    document: Document, files: Files, name: str, shape: ExperimentShape
) -> None:
    deployments, tiers = (
        files.providers.names("deployments"),
        files.tiers.names("tiers"),
    )
    climbing = {bool(arm.ladder) for arm in shape.arms}
    seen: set[str] = set()
    for index, arm in enumerate(shape.arms):
        path = ("experiments", name, "arms", index)
        if arm.name in seen:
            document.reject(path, f"the arm {arm.name!r} is there twice")
        seen.add(arm.name)
        if arm.ladder and len(climbing) > 1:
            document.reject(path, "either each arm is a ladder, or none")
        if arm.deployment is not None and deployments is not None:
            expect(document, path, "deployment", arm.deployment, deployments)
        if arm.prompt is not None and not _is_prompt(arm.prompt):
            known = [*STYLES, "a file beside this one, such as short.md"]
            document.reject(path, unknown("prompt", arm.prompt, known))
        if deployments is not None and tiers is not None:
            for step in arm.ladder:
                both = [*deployments, *tiers]
                expect(document, path, "deployment or tier", step, both)


def _check_pattern_arms(
    document: Document,
    files: Files,
    shapes: Shapes,
    name: str,
    shape: ExperimentShape,
) -> None:
    """Note what the parts of a pattern name, and a role where they have no work."""
    deployments = files.providers.names("deployments")
    tiers = files.tiers.names("tiers")
    known = None
    if deployments is not None and tiers is not None:
        known = [*deployments, *tiers]
    role = shapes.roles.get(shape.role)
    for index, arm in enumerate(shape.arms):
        if arm.pattern is None or not arm.pattern.parts:
            continue
        path = ("experiments", name, "arms", index)
        for chain in arm.pattern.parts.values():
            for one in chain:
                expect(document, path, "deployment or tier", one, known)
        if role is not None and (wrong := idle(role, arm.pattern.names)):
            document.reject(path, f"the pattern {wrong} (of {shape.role})")


def _is_prompt(prompt: str) -> bool:
    return prompt in STYLES or prompt.endswith(".md")


def experiments(shapes: Mapping[str, ExperimentShape]) -> dict[str, ExperimentSpec]:
    """What the shapes say."""
    return {
        name: ExperimentSpec(
            name=name,
            role=shape.role,
            arms=tuple(shape.arms),
            share=shape.share,
            decide_at=shape.decide_at,
            seed=shape.seed,
        )
        for name, shape in shapes.items()
    }
