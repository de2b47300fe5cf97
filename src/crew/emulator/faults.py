"""Faults on order: which calls fail, how, and how often."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from typing import Any


class Fault(StrEnum):
    """The ways in which a call may fail."""

    RATE_LIMIT = "rate_limit"
    SERVER_ERROR = "server_error"
    BAD_GATEWAY = "bad_gateway"
    UNAVAILABLE = "unavailable"
    OVERLOADED = "overloaded"
    CAPACITY = "capacity"
    UNAUTHORIZED = "unauthorized"
    PAYMENT_REQUIRED = "payment_required"
    FORBIDDEN = "forbidden"
    MODEL_NOT_FOUND = "model_not_found"
    BAD_REQUEST = "bad_request"
    CONTEXT_LENGTH = "context_length"
    CONTENT_POLICY = "content_policy"
    TIMEOUT = "timeout"
    KEEP_ALIVE = "keep_alive"
    RESET = "reset"
    MALFORMED = "malformed"
    HTML = "html"
    EMPTY = "empty"
    NO_CHOICES = "no_choices"
    ERROR_IN_200 = "error_in_200"
    BROKEN_STREAM = "broken_stream"
    ERROR_IN_STREAM = "error_in_stream"


class BadFault(ValueError):
    """An order for a fault that cannot be followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`fault` for the next `times` calls of a provider, after the first `after`; with
    `seconds`, for all that come within that time instead.

    `deployment` None means any of the provider's. `until` is set when it is taken.
    """

    provider: str
    fault: Fault
    deployment: str | None = None
    times: int = 1
    after: int = 0
    retry_after: float | None = None
    seconds: float | None = None
    until: float = inf

    def shown(self) -> dict[str, Any]:
        """The order as the control API prints it."""
        return {
            "provider": self.provider,
            "deployment": self.deployment,
            "fault": str(self.fault),
            "times": self.times,
            "after": self.after,
            "retry_after": self.retry_after,
            "seconds": self.seconds,
        }


def parse_order(body: object) -> Order:
    """Read an order. Raises BadFault with what is allowed."""
    if not isinstance(body, dict):
        raise BadFault("an order is a JSON object")
    known = set(Order.__dataclass_fields__) - {"until"}
    if unknown := set(body) - known:
        raise BadFault(f"unknown keys {sorted(unknown)}; allowed: {sorted(known)}")
    try:
        order = Order(
            provider=str(body["provider"]),
            fault=Fault(body["fault"]),
            deployment=body.get("deployment"),
            times=int(body.get("times", 1)),
            after=int(body.get("after", 0)),
            retry_after=body.get("retry_after"),
            seconds=_seconds(body.get("seconds")),
        )
    except KeyError as exc:
        raise BadFault(f"{exc.args[0]} is missing") from exc
    except (ValueError, TypeError) as exc:
        allowed = ", ".join(Fault)
        raise BadFault(f"{exc}; faults: {allowed}") from exc
    if order.times < 1 or order.after < 0:
        raise BadFault("times is at least 1, after at least 0")
    return order


def _seconds(given: object) -> float | None:
    seconds = None if given is None else float(str(given))
    if seconds is not None and not 0 < seconds < inf:
        raise ValueError(f"seconds must be positive, not {given}")
    return seconds


class Orders:
    """The orders that are still open, oldest first."""

    def __init__(self, orders: Iterable[Order] = ()) -> None:
        self._open = list(orders)

    def add(self, order: Order, now: float) -> None:
        """Take an order; older ones come first."""
        until = inf if order.seconds is None else now + order.seconds
        self._open.append(replace(order, until=until))

    def clear(self) -> None:
        """Forget all orders."""
        self._open = []

    def shown(self, now: float) -> list[Mapping[str, Any]]:
        """The open orders, with what is left of them."""
        return [order.shown() for order in self._open if now < order.until]

    def take(self, provider: str, deployment: str, now: float) -> Order | None:
        """The order that this call fulfils, if any. The call counts for all that
        still skip calls."""
        taken: Order | None = None
        remaining = []
        for order in self._open:
            if now >= order.until:
                continue
            left: Order | None = order
            matches = order.deployment in (None, deployment)
            if order.provider == provider and matches:
                if order.after:
                    left = replace(order, after=order.after - 1)
                elif taken is None:
                    taken = order
                    left = _once_less(order)
            if left is not None:
                remaining.append(left)
        self._open = remaining
        return taken


def _once_less(order: Order) -> Order | None:
    if order.seconds is not None:
        return order
    return replace(order, times=order.times - 1) if order.times > 1 else None


def default_orders(providers: Iterable[str]) -> list[Order]:
    """A little of everything for a rehearsal: each provider fails twice."""
    return [
        order
        for name in providers
        for order in (
            Order(provider=name, fault=Fault.RATE_LIMIT, after=2, retry_after=2.0),
            Order(provider=name, fault=Fault.UNAVAILABLE, after=5),
        )
    ]
