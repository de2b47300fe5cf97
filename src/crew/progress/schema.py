"""The JSON Schema of the events, and events read by it; both come from the types."""

from functools import cache
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from crew.progress.events import Event

TITLE = "An event of `crew run --json-stream` and of output/<run>/events.jsonl"


class _Numbers(GenerateJsonSchema):
    """Money is a number, and each field is there."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        return {"type": "number"}

    def field_is_required(self, field: Any, total: bool) -> bool:
        return True

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


@cache
def _adapter() -> TypeAdapter[Event]:
    return TypeAdapter(
        Annotated[Event, Field(discriminator="type")],
    )


def schema() -> dict[str, Any]:
    """The JSON Schema of one event."""
    found = _adapter().json_schema(schema_generator=_Numbers, mode="validation")
    return {"$schema": GenerateJsonSchema.schema_dialect, "title": TITLE, **found}


def read(line: str) -> Event:
    """An event from a line of JSON. Raises ValueError."""
    return _adapter().validate_json(line)
