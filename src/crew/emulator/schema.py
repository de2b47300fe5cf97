"""A small valid JSON value for a JSON schema."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


def example(schema: Mapping[str, Any], text: str) -> object:
    """A value that the schema allows; `text` fills its strings.

    Properties that are not `required` are left out. An array has one item, so that
    what a program does for each item is rehearsed; one that holds itself ends where
    it is met again. `$ref` is followed into `$defs`.
    """
    return _Example(root=schema, text=text or "text").value(schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Example:
    """`inside` are the arrays and choices that the value stands in."""

    root: Mapping[str, Any]
    text: str
    inside: tuple[Mapping[str, Any], ...] = ()

    def value(self, schema: Mapping[str, Any]) -> object:
        if "$ref" in schema:
            return self.value(_follow(schema["$ref"], self.root))
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return self._choice(schema, schema[key])
        if "allOf" in schema:
            merged: dict[str, Any] = {}
            for part in schema["allOf"]:
                merged |= _follow(part["$ref"], self.root) if "$ref" in part else part
            return self.value(merged)
        return self._typed(schema)

    def _typed(self, schema: Mapping[str, Any]) -> object:
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = next(name for name in kind if name != "null")
        match kind:
            case "object":
                properties = schema.get("properties", {})
                wanted = schema.get("required", list(properties))
                return {name: self.value(properties.get(name, {})) for name in wanted}
            case "array":
                return self._items(schema)
            case "string":
                return _string(schema, self.text)
            case "integer":
                return int(_number(schema))
            case "number":
                return _number(schema)
            case "boolean":
                return True
            case _:
                return None

    def _items(self, schema: Mapping[str, Any]) -> list[object]:
        least = schema.get("minItems", 0)
        if schema.get("maxItems") != 0 and not self._met(schema):
            least = max(1, least)
        within = self._within(schema)
        return [within.value(schema.get("items", {})) for _ in range(least)]

    def _choice(
        self, schema: Mapping[str, Any], options: list[Mapping[str, Any]]
    ) -> object:
        """Something rather than null, but where the choice holds itself."""
        ordered = sorted(options, key=lambda option: option.get("type") == "null")
        chosen = ordered[-1 if self._met(schema) else 0]
        return self._within(schema).value(chosen)

    def _met(self, schema: Mapping[str, Any]) -> bool:
        return any(one is schema for one in self.inside)

    def _within(self, schema: Mapping[str, Any]) -> "_Example":
        return replace(self, inside=(*self.inside, schema))


def _string(schema: Mapping[str, Any], text: str) -> str:
    shortest, longest = schema.get("minLength", 1), schema.get("maxLength")
    padded = text.ljust(shortest, ".")
    return padded if longest is None else padded[:longest]


def _number(schema: Mapping[str, Any]) -> float:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    return low if high is None else min(low, high)  # type: ignore[no-any-return]


def _follow(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema at `reference`; a broken reference allows anything."""
    found: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        found = found.get(step, {})
    return found  # type: ignore[no-any-return]
