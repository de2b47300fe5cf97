"""The YAML files as frozen values. `loader` reads them and finds every mistake."""

from crew.settings.experiments import ArmSpec, ExperimentSpec
from crew.settings.gates import GATES, GateSpec
from crew.settings.inputs import Inputs
from crew.settings.ladder import LadderSpec
from crew.settings.values import (
    COMPLEXITIES,
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
    "ArmSpec",
    "Deployment",
    "ExperimentSpec",
    "GateSpec",
    "Inputs",
    "LadderSpec",
    "Plan",
    "Price",
    "Provider",
    "Role",
    "Settings",
    "TaskSpec",
    "Tier",
    "families",
]
