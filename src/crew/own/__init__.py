"""What users bring along: tools, MCP servers, gates, callbacks, models for outputs."""

from crew.own.gates import OwnGate
from crew.own.gathering import Own, gather

__all__ = ["Own", "OwnGate", "gather"]
