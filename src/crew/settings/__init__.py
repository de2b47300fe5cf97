"""The YAML files as frozen values. `loader` reads them and finds every mistake."""

from crew.settings.inputs import Inputs
from crew.settings.values import (
    COMPLEXITIES,
    GATES,
    KINDS,
    PLACEHOLDERS,
    TOOLS,
    Deployment,
    Plan,
    Price,
    Provider,
    Role,
    Settings,
    TaskSpec,
    Tier,
    families,
)

__all__ = [
    "COMPLEXITIES",
    "GATES",
    "KINDS",
    "PLACEHOLDERS",
    "TOOLS",
    "Deployment",
    "Inputs",
    "Plan",
    "Price",
    "Provider",
    "Role",
    "Settings",
    "TaskSpec",
    "Tier",
    "families",
]
