"""The shape of `regression` in tiers.yaml."""

from typing import Annotated

from pydantic import BeforeValidator

from crew.settings.document import Document
from crew.settings.fields import Timeout
from crew.settings.regression import RegressionSpec
from crew.settings.schema import Shape
from crew.settings.validation import read
from crew.settings.wording import shown


def _is_off(value: object) -> bool:
    """YAML reads the bare word as a truth value."""
    return value is False or value == "off"


def _bench(value: object) -> object:
    return None if _is_off(value) else value


class RegressionShape(Shape):
    """`regression` of tiers.yaml."""

    bench: Annotated[Timeout | None, BeforeValidator(_bench)] = None


def read_regression(tiers: Document) -> RegressionSpec:
    """What tiers.yaml says of it, or the default: deployments are watched."""
    value = (tiers.data or {}).get("regression", {})
    if not isinstance(value, dict):
        if not _is_off(value):
            tiers.reject(
                ("regression",),
                f"found {shown(value)}; allowed: off, or a mapping such as "
                "{bench: 2h}",
            )
        return RegressionSpec(watch=False)
    shape = read(tiers, RegressionShape, ("regression",)) if value else None
    return RegressionSpec(bench=shape.bench if shape is not None else None)
