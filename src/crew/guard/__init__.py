"""Deciding: which deployment serves a call now, and what its answer teaches."""

from crew.guard.benches import Bench
from crew.guard.guard import QuotaGuard
from crew.guard.lease import Lease

__all__ = ["Bench", "Lease", "QuotaGuard"]
