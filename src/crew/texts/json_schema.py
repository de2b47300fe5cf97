"""JSON Schema: whether a schema is one, and where a value does not fit."""

import json

ERRORS = 5
_CHARACTERS = 300


def flaw(schema: str) -> str | None:
    """Why a text is no schema; None where it is one."""
    # It takes long to import, and few gates need it.
    from jsonschema import SchemaError  # type: ignore[import-untyped]
    from jsonschema.validators import validator_for  # type: ignore[import-untyped]

    try:
        known = json.loads(schema)
        if not isinstance(known, dict):
            return "is no JSON Schema: it is no object"
        validator_for(known).check_schema(known)
    except ValueError as exc:
        return f"is no JSON: {exc}"
    except RecursionError:
        return "is no JSON Schema: it is nested too deeply"
    except SchemaError as exc:
        return f"is no JSON Schema: {exc.message[:_CHARACTERS]}"
    return None


def misfits(value: object, schema: object) -> list[str]:
    """Where the value does not fit, at most five places. Nothing is fetched: a
    reference that leads out of the schema cannot be followed."""
    from jsonschema.validators import validator_for
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    validator = validator_for(schema)(schema, registry=Registry())
    try:
        found = [
            f"At {one.json_path}: {one.message[:_CHARACTERS]}."
            for one in validator.iter_errors(value)
        ]
    except (Unresolvable, RecursionError) as exc:
        return [f"The schema cannot be applied: {type(exc).__name__}."]
    return found[:ERRORS]
