"""Whether arguments are what a tool's schema asks for (pure).

Only what schemas of tools say in practice: types, required names, enums, choices.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

Schema = Mapping[str, Any]
_SHOWN = 40
"""Characters of a name that a model made up."""

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}


def fits(value: object, schema: Schema) -> bool:
    """Whether a value is one that the schema allows."""
    return _fits(value, schema, schema.get("$defs") or {})


def as_texts(arguments: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """The arguments, with an object as text where the schema wants a text alone: the
    content of a JSON file that a model did not quote."""
    known: Mapping[str, Schema] = schema.get("properties") or {}
    return {
        name: json.dumps(value, indent=2, ensure_ascii=False)
        if isinstance(value, dict | list)
        and known.get(name, {}).get("type") == "string"
        else value
        for name, value in arguments.items()
    }


def as_lists(arguments: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """The arguments, with a list where the schema wants one and a model gave its only
    entry: as an object, as JSON in a text, or flat among the other arguments."""
    known: Mapping[str, Schema] = schema.get("properties") or {}
    found = dict(arguments)
    for name, own in known.items():
        if own.get("type") != "array":
            continue
        entry: Mapping[str, Schema] = (own.get("items") or {}).get("properties") or {}
        flat = {key: found[key] for key in entry if key in found and key not in known}
        if name not in found and flat and len(flat) == len(entry):
            found = {key: part for key, part in found.items() if key not in flat}
            found[name] = [flat]
        elif isinstance(found.get(name), str) and entry:
            found[name] = _parsed(found[name])
        if isinstance(found.get(name), dict) and entry:
            found[name] = [found[name]]
    return found


def misfit(value: object, schema: Schema) -> str:
    """What is wrong with arguments, in words; empty where they fit."""
    if not isinstance(value, dict):
        return "its arguments are no JSON object"
    if fits(value, schema):
        return ""
    known: Mapping[str, Schema] = schema.get("properties") or {}
    needed = _needed(schema)
    if missing := [name for name in needed if name not in value]:
        return f"it needs {_listed(missing)}; its arguments are {_listed(known)}"
    if unknown := [name for name in value if name not in known]:
        named = _listed(str(name)[:_SHOWN] for name in unknown)
        return f"it has no {named}; its arguments are {_listed(known)}"
    named_schemas = schema.get("$defs") or {}
    for name, part in value.items():
        if not _fits(part, known[name], named_schemas):
            return f"{name!r} must be {json.dumps(_short(known[name]))}"
    return "its arguments do not fit"


def _short(schema: Schema) -> object:
    """A schema without what only explains it."""
    if not isinstance(schema, Mapping):
        return [_short(part) for part in schema] if isinstance(schema, list) else schema
    left_out = ("description", "title", "additionalProperties", "required", "default")
    return {name: _short(part) for name, part in schema.items() if name not in left_out}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _parsed(text: str) -> object:
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return text


def _needed(schema: Schema) -> list[str]:
    """Strict schemas require every name; one with a default may still be left out."""
    known: Mapping[str, Schema] = schema.get("properties") or {}
    return [
        name
        for name in schema.get("required") or ()
        if "default" not in known.get(name, {})
    ]


def _fits(value: object, schema: Schema, named: Mapping[str, Schema]) -> bool:
    if reference := schema.get("$ref"):
        return _fits(value, named.get(str(reference).rpartition("/")[2], {}), named)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return any(_fits(value, choice, named) for choice in schema[key])
    if "enum" in schema and value not in schema["enum"]:
        return False
    kinds = schema.get("type")
    names = [kinds] if isinstance(kinds, str) else list(kinds or ())
    if names and not any(_is(value, name) for name in names):
        return False
    if isinstance(value, dict):
        return _object_fits(value, schema, named)
    if isinstance(value, list):
        return all(_fits(part, schema.get("items") or {}, named) for part in value)
    return True


def _is(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, _TYPES.get(name, (object,)))


def _object_fits(
    value: Mapping[str, object], schema: Schema, named: Mapping[str, Schema]
) -> bool:
    known: Mapping[str, Schema] = schema.get("properties") or {}
    required = _needed(schema)
    if any(name not in value for name in required):
        return False
    if any(name not in known for name in value):
        return False
    return all(_fits(part, known[name], named) for name, part in value.items())
