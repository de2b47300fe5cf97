"""A smallest valid JSON value for a JSON schema."""

from collections.abc import Mapping
from typing import Any


def example(schema: Mapping[str, Any], text: str) -> object:
    """A value that the schema allows; `text` fills its strings.

    Properties that are not `required` are left out, and arrays are as short as may be;
    `$ref` is followed into `$defs`.
    """
    return _value(schema, schema, text or "text")


def _value(schema: Mapping[str, Any], root: Mapping[str, Any], text: str) -> object:
    if "$ref" in schema:
        return _value(_follow(schema["$ref"], root), root, text)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return _value(_preferred(schema[key]), root, text)
    if "allOf" in schema:
        merged: dict[str, Any] = {}
        for part in schema["allOf"]:
            merged |= _follow(part["$ref"], root) if "$ref" in part else part
        return _value(merged, root, text)
    return _typed(schema, root, text)


def _typed(schema: Mapping[str, Any], root: Mapping[str, Any], text: str) -> object:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = next(name for name in kind if name != "null")
    match kind:
        case "object":
            properties = schema.get("properties", {})
            wanted = schema.get("required", list(properties))
            return {
                name: _value(properties.get(name, {}), root, text) for name in wanted
            }
        case "array":
            item = schema.get("items", {})
            least = schema.get("minItems", 0)
            return [_value(item, root, text) for _ in range(least)]
        case "string":
            return _string(schema, text)
        case "integer":
            return int(_number(schema))
        case "number":
            return _number(schema)
        case "boolean":
            return True
        case _:
            return None


def _string(schema: Mapping[str, Any], text: str) -> str:
    shortest, longest = schema.get("minLength", 1), schema.get("maxLength")
    padded = text.ljust(shortest, ".")
    return padded if longest is None else padded[:longest]


def _number(schema: Mapping[str, Any]) -> float:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    return low if high is None else min(low, high)  # type: ignore[no-any-return]


def _preferred(options: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    return next((o for o in options if o.get("type") != "null"), options[0])


def _follow(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema at `reference`; a broken reference allows anything."""
    found: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        found = found.get(step, {})
    return found  # type: ignore[no-any-return]
