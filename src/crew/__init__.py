"""A CrewAI development crew that keeps working when limits hit.

Importing this package loads next to nothing: each name below comes from its module
when it is first used.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crew.errors import QuotaExceeded, SettingsError
    from crew.guard import QuotaGuard
    from crew.runs.scripts import build_crew, kickoff, kickoff_async, tiers
    from crew.settings.loader import load_settings, load_tiers

# Before crewai and litellm are imported: nothing goes over the network by itself.
os.environ.setdefault("CREWAI_DISABLE_TELEMETRY", "true")
os.environ.setdefault("CREWAI_TRACING_ENABLED", "false")
os.environ.setdefault("CREWAI_DISABLE_VERSION_CHECK", "true")
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

__all__ = [
    "QuotaExceeded",
    "QuotaGuard",
    "SettingsError",
    "build_crew",
    "kickoff",
    "kickoff_async",
    "load_settings",
    "load_tiers",
    "tiers",
]
_HOMES = {
    "QuotaExceeded": "crew.errors",
    "SettingsError": "crew.errors",
    "QuotaGuard": "crew.guard",
    "build_crew": "crew.runs.scripts",
    "kickoff": "crew.runs.scripts",
    "kickoff_async": "crew.runs.scripts",
    "tiers": "crew.runs.scripts",
    "load_settings": "crew.settings.loader",
    "load_tiers": "crew.settings.loader",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'crew' has no attribute {name!r}")
    found: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found  # from now on without this detour
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
