"""Tools in few words, for models that read about them in the prompt (pure).

A schema in JSON takes three times the tokens, and small models drown in it.
"""

import json
from collections.abc import Mapping
from typing import Any

from crew.calls.argument_fit import Schema


def signature(function: Mapping[str, Any]) -> str:
    """A tool on few lines: its name, arguments and what it does."""
    schema: Schema = function.get("parameters") or {}
    known: Mapping[str, Schema] = schema.get("properties") or {}
    named: Mapping[str, Schema] = schema.get("$defs") or {}
    arguments = ", ".join(
        f"{name}{_mark(part, name in (schema.get('required') or ()))}: "
        f"{_type(part, named)}{_default(part)}"
        for name, part in known.items()
    )
    lines = [f"{function['name']}({arguments})"]
    if about := str(function.get("description") or "").strip():
        lines[0] += f": {about}"
    for name, part in known.items():
        if about := str(part.get("description") or "").strip():
            lines.append(f"  {name}: {about}")
    return "\n".join(lines)


def _mark(schema: Schema, required: bool) -> str:
    return "" if required or "default" in schema else "?"


def _default(schema: Schema) -> str:
    if schema.get("default") is None:
        return ""
    return f" = {json.dumps(schema['default'])}"


def _type(schema: Schema, named: Mapping[str, Schema], depth: int = 0) -> str:
    """A type as TypeScript writes it; what is deeper than four levels is `any`."""
    if depth > 4:
        return "any"
    if reference := schema.get("$ref"):
        return _type(named.get(str(reference).rpartition("/")[2], {}), named, depth + 1)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            parts = [_type(one, named, depth + 1) for one in schema[key]]
            return " | ".join(dict.fromkeys(parts))
    if "enum" in schema:
        return " | ".join(json.dumps(one) for one in schema["enum"])
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(map(str, kind))
    if kind == "array":
        item = _type(schema.get("items") or {}, named, depth + 1)
        return f"({item})[]" if " | " in item else f"{item}[]"
    if kind == "object" and schema.get("properties"):
        inner = ", ".join(
            f"{name}: {_type(part, named, depth + 1)}"
            for name, part in schema["properties"].items()
        )
        return f"{{{inner}}}"
    return str(kind or "any")
