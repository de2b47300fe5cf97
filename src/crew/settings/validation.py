"""YAML data into shapes, and a message in our own words for each misfit."""

from collections.abc import Mapping
from typing import TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from crew.settings.bounds import MISTAKES
from crew.settings.crewai_keys import AGENT_KEYS, CREW_KEYS, TASK_KEYS
from crew.settings.document import Document, KeyPath
from crew.settings.schema import RoleShape, RuleShape, Shape, TaskShape, TierShape
from crew.settings.wording import shown, unknown

_REFUSED: Mapping[type[Shape], Mapping[str, str]] = {
    RoleShape: {**CREW_KEYS, **TASK_KEYS, **AGENT_KEYS},
    TaskShape: {**CREW_KEYS, **AGENT_KEYS, **TASK_KEYS},
}
"""A key of CrewAI's in the wrong place has the reason of its own place."""
_ELSEWHERE: Mapping[type[Shape], tuple[type[Shape], str]] = {
    RoleShape: (TaskShape, "it belongs to the task, in tasks.yaml"),
    TaskShape: (RoleShape, "it belongs to the role, in agents.yaml"),
}

ShapeT = TypeVar("ShapeT", bound=Shape)


def read(document: Document, shape: type[ShapeT], path: KeyPath = ()) -> ShapeT | None:
    """The value at `path` as a `shape`. The document holds a mistake for each thing
    that is wrong, and what is returned then lacks it; None when nothing can be read.
    """
    value: object = document.data
    for part in path:
        value = value[str(part)] if isinstance(value, dict) else None
    if shape in (TierShape, RuleShape) and not isinstance(value, dict):
        value = {"chain": value}
    if path and (reason := _of_the_crew(str(path[-1]), value, shape)):
        document.reject_key(path, f"not allowed: {reason}")
        return None
    if not isinstance(value, dict):
        document.reject(path, f"found {shown(value)}, expected a mapping")
        return None
    try:
        return shape.model_validate(value)
    except ValidationError as exc:
        errors = exc.errors(include_url=False)
    wrong = set()
    for error in errors:
        at = (*path, *error["loc"])
        wrong.add(str(error["loc"][0]))
        if len(document.mistakes) > MISTAKES:
            continue  # no more are listed
        if error["type"] == "extra_forbidden":
            document.reject_key(at, _unknown_key(error["loc"], shape))
        else:
            document.reject(at, _explained(error))
    for key in wrong:
        document.doubt((*path, key))
    return _without(wrong, value, shape)


_STAND_INS: Mapping[str, object] = {
    "chain": ["?"],
    "tiers": {"?": None},
    "providers": {"?": None},
    "deployments": {"?": None},
}


def _without(
    wrong: set[str], value: Mapping[str, object], shape: type[ShapeT]
) -> ShapeT | None:
    """The shape without its wrong keys, so that what is right is checked further."""
    right = {key: found for key, found in value.items() if key not in wrong}
    for name, field in shape.model_fields.items():
        if field.is_required() and name not in right:
            right[name] = _STAND_INS.get(name, "?")
    try:
        return shape.model_validate(right)
    except ValidationError:
        return None


def options(shape: Shape, of: type[Shape]) -> dict[str, object]:
    """The values of the keys of `of` that are given."""
    return {
        name: value
        for name in of.model_fields
        if (value := getattr(shape, name)) is not None
    }


_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "date_type": "a date such as 2026-11-23",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
}

_LENGTHS = {
    "too_short": ("at least", "min_length"),
    "too_long": ("at most", "max_length"),
}


def _explained(error: ErrorDetails) -> str:
    """Our own words for what pydantic found."""
    kind, found = error["type"], error["input"]
    context = error.get("ctx", {})
    if kind == "missing":
        return "missing; it is required"
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_too_short":
        return "is empty, expected a text"
    if kind == "too_short" and context["min_length"] == 1:
        return "is empty; name at least one"
    if kind in _LENGTHS:
        words, bound = _LENGTHS[kind]
        return f"names {len(found)}; allowed: {words} {context[bound]}"
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"found {found}; allowed: {words} {context[bound]}"
    expected = _EXPECTED.get(kind)
    return f"found {shown(found)}, expected {expected or error['msg']}"


def _of_the_crew(key: str, value: object, shape: type[Shape]) -> str | None:
    """Why a key of `crewai.Crew` has no place among roles or tasks, unless it is the
    name of one."""
    if shape not in _ELSEWHERE:
        return None
    named = isinstance(value, dict) and not value.keys().isdisjoint(shape.model_fields)
    return None if named else CREW_KEYS.get(key)


def _unknown_key(path: KeyPath, shape: type[Shape]) -> str:
    key = str(path[-1])
    if shape in _ELSEWHERE and len(path) == 1:
        other, place = _ELSEWHERE[shape]
        elsewhere = place if key in other.model_fields else None
        if reason := elsewhere or _REFUSED[shape].get(key):
            return f"not allowed: {reason}"
    for part in path[:-1]:
        field = next(
            (f for n, f in shape.model_fields.items() if part in (n, f.alias)), None
        )
        if field is not None:
            shape = next(iter(_shapes(field.annotation)), shape)
    required_first = sorted(
        shape.model_fields.items(), key=lambda item: not item[1].is_required()
    )
    names = [field.alias or name for name, field in required_first]
    return unknown("key", key, names)


def _shapes(annotation: object) -> list[type[Shape]]:
    """The shapes that a field's type mentions."""
    if isinstance(annotation, type) and issubclass(annotation, Shape):
        return [annotation]
    return [shape for part in get_args(annotation) for shape in _shapes(part)]
