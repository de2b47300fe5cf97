"""Gates: what decides whether a task's work is accepted, and how much that says."""

from crew.gates.building import Means, build_gates, trust_of
from crew.gates.gate import Asking, Finding, Found, Gate, Trust, Verdict, Work

__all__ = [
    "Asking",
    "Finding",
    "Found",
    "Gate",
    "Means",
    "Trust",
    "Verdict",
    "Work",
    "build_gates",
    "trust_of",
]
