"""Which deployments may serve a request, and in which order (pure)."""

from crew.routing.routes import TOO_SMALL, Request, Route, route, rule
from crew.routing.signals import Left, Signals, Times, Warm, Worth
from crew.routing.strategies import Arranged, arranged, needed, parts_of

__all__ = [
    "TOO_SMALL",
    "Arranged",
    "Left",
    "Request",
    "Route",
    "Signals",
    "Times",
    "Warm",
    "Worth",
    "arranged",
    "needed",
    "parts_of",
    "route",
    "rule",
]
