"""The shape of `ladder` in tiers.yaml."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, InstanceOf

from crew.settings.document import Document
from crew.settings.fields import Text, one_of
from crew.settings.ladder import (
    ALWAYS,
    HANDOVERS,
    NEVER,
    ORDERS,
    AtMost,
    Escalation,
    LadderSpec,
)
from crew.settings.schema import Shape
from crew.settings.validation import read
from crew.settings.wording import shown

_NUMBER = r"(\d{1,9}(?:\.\d{1,6})?)"
_USD = re.compile(_NUMBER + r" usd")
_SHARE = re.compile(_NUMBER + r" ?%")
_OF_FAILURES = re.compile(_NUMBER + r" ?% of failures")
_A_DAY = re.compile(_NUMBER + r" usd(?: a |/)day")
_TIMES = re.compile(_NUMBER + r"x")
_MOST_CALLS = 10_000


@dataclass(frozen=True, slots=True)
class _AttemptLimit:
    times: float = 5.0
    calls: int | None = None


def _usd(value: object) -> Decimal:
    if isinstance(value, str) and (match := _USD.fullmatch(value.strip())):
        return Decimal(match[1])
    raise ValueError(f"found {shown(value)}; allowed: AMOUNT usd, such as 2 usd")


def _share(value: object) -> Decimal:
    if isinstance(value, str) and (match := _SHARE.fullmatch(value.strip())):
        return _of_a_hundred(match[1])
    raise ValueError(f"found {shown(value)}; allowed: a share such as 5 %")


def _of_a_hundred(digits: str) -> Decimal:
    if Decimal(digits) > 100:
        raise ValueError(f"found {digits} %; allowed: 0 % to 100 %")
    return Decimal(digits) / 100


def _at_most(value: object) -> AtMost:
    text = value.strip() if isinstance(value, str) else ""
    if match := _OF_FAILURES.fullmatch(text):
        return AtMost(share=_of_a_hundred(match[1]))
    if match := _A_DAY.fullmatch(text):
        return AtMost(usd_a_day=Decimal(match[1]))
    raise ValueError(
        f"found {shown(value)}; allowed: 20 % of failures, or AMOUNT usd/day"
    )


def _attempt_limit(value: Any) -> _AttemptLimit:
    number = isinstance(value, int) and not isinstance(value, bool)
    if number and 1 <= value <= _MOST_CALLS:
        return _AttemptLimit(calls=value)
    text = value.strip() if isinstance(value, str) else ""
    match = _TIMES.fullmatch(text)
    if match is not None and float(match[1]) >= 1:
        return _AttemptLimit(times=float(match[1]))
    raise ValueError(
        f"found {shown(value)}; allowed: model calls as a number, or 5x for five "
        "times the median of the attempts that passed"
    )


_When = Annotated[Text, one_of("condition", (ALWAYS, NEVER))]


class EscalationShape(Shape):
    """When a failed task goes to the next step."""

    high: _When = ALWAYS
    medium: _When = ALWAYS
    low: _When = ALWAYS
    at_most: Annotated[InstanceOf[AtMost], BeforeValidator(_at_most)] = AtMost()


class LadderShape(Shape):
    """`ladder` of tiers.yaml."""

    cheap_steps: Annotated[int, Field(ge=0, le=20)] = 2
    retries: Annotated[int, Field(ge=0, le=20)] = 1
    premium: Text | None = None
    order: Annotated[Text, one_of("order", ORDERS)] = ORDERS[0]
    hour_is_worth: Annotated[InstanceOf[Decimal], BeforeValidator(_usd)] = Decimal(0)
    attempt_limit: Annotated[
        InstanceOf[_AttemptLimit], BeforeValidator(_attempt_limit)
    ] = _AttemptLimit()
    audit: Annotated[InstanceOf[Decimal], BeforeValidator(_share)] = Decimal(0)
    handover: Annotated[Text, one_of("handover", HANDOVERS)] = HANDOVERS[0]
    escalate: EscalationShape = EscalationShape()


def read_ladder(tiers: Document) -> LadderShape:
    """What tiers.yaml says of it, or the defaults."""
    if "ladder" not in (tiers.data or {}):
        return LadderShape()
    return read(tiers, LadderShape, ("ladder",)) or LadderShape()


def ladder(shape: LadderShape) -> LadderSpec:
    """What the shape says."""
    when = shape.escalate
    return LadderSpec(
        cheap_steps=shape.cheap_steps,
        retries=shape.retries,
        premium=shape.premium,
        order=shape.order,
        hour_is_worth=shape.hour_is_worth,
        attempt_times=shape.attempt_limit.times,
        attempt_calls=shape.attempt_limit.calls,
        audit=shape.audit,
        handover=shape.handover,
        escalate=Escalation(
            high=when.high == ALWAYS,
            medium=when.medium == ALWAYS,
            low=when.low == ALWAYS,
            at_most=when.at_most,
        ),
    )
