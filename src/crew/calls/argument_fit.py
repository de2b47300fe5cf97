"""Whether arguments are what a tool's schema asks for (pure).

Only what schemas of tools say in practice: types, required names, enums, choices.
"""

import json
from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

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
    # Strict schemas require every name; one with a default may still be left out.
    required = [
        name
        for name in schema.get("required") or ()
        if "default" not in known.get(name, {})
    ]
    if any(name not in value for name in required):
        return False
    if any(name not in known for name in value):
        return False
    return all(_fits(part, known[name], named) for name, part in value.items())
