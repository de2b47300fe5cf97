"""YAML data into shapes, and a message in our own words for each misfit."""

from collections.abc import Mapping
from typing import TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from crew.settings.document import Document, KeyPath
from crew.settings.schema import RoleShape, RuleShape, Shape, TaskShape, TierShape
from crew.settings.wording import shown, unknown

_UNGUARDED = "an LLM named here would not pass the quota guard; use `tier:`"
_MEMORY = "it would call models of CrewAI's own choice, past the quota guard"
_PLANNING = "it would plan past the manager; give a task to a role instead"
_EXECUTION = "CrewAI has no safe place to run code"
_REFUSED: Mapping[type[Shape], Mapping[str, str]] = {
    RoleShape: {
        "llm": _UNGUARDED,
        "manager_llm": _UNGUARDED,
        "function_calling_llm": _UNGUARDED,
        "planning_llm": _UNGUARDED,
        "memory": _MEMORY,
        "embedder": _MEMORY,
        "knowledge": _MEMORY,
        "knowledge_sources": _MEMORY,
        "planning": _PLANNING,
        "planning_config": _PLANNING,
        "allow_code_execution": _EXECUTION,
        "code_execution_mode": _EXECUTION,
        "multimodal": "give the role the tool look_at_image instead",
    },
    TaskShape: {
        "output_file": "results go to output/<run>/",
        "create_directory": "results go to output/<run>/",
        "guardrail": "use `gates:`",
        "guardrails": "use `gates:`",
        "tools": "tools belong to the role, in agents.yaml",
    },
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
        if error["type"] == "extra_forbidden":
            document.reject_key(at, _unknown_key(error["loc"], shape))
        else:
            document.reject(at, _explained(error))
        wrong.add(str(error["loc"][0]))
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
    if kind == "too_short":
        return "is empty; name at least one"
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"found {found}; allowed: {words} {context[bound]}"
    expected = _EXPECTED.get(kind)
    return f"found {shown(found)}, expected {expected or error['msg']}"


def _unknown_key(path: KeyPath, shape: type[Shape]) -> str:
    key = str(path[-1])
    reason = _REFUSED.get(shape, {}).get(key)
    if reason is not None:
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
