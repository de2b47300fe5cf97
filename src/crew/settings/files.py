"""The YAML files of a configuration side by side, and what they hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crew.settings.alerts import AlertSettings
from crew.settings.document import Document, KeyPath
from crew.settings.ladder_shape import LadderShape
from crew.settings.regression import RegressionSpec
from crew.settings.schema import (
    DeploymentShape,
    ProviderShape,
    RoleShape,
    RuleShape,
    TaskShape,
    TiersFile,
    TierShape,
)
from crew.settings.schema_inputs import InputsFile
from crew.settings.wording import unknown

if TYPE_CHECKING:
    from crew.settings.experiments_shape import ExperimentShape

PROCESSES = ("hierarchical", "sequential")


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The YAML files. There need not be an inputs.yaml or experiments.yaml."""

    agents: Document
    tasks: Document
    providers: Document
    tiers: Document
    inputs: Document | None
    experiments: Document | None = None

    def all(self) -> list[Document]:
        """Those that are there."""
        files = [self.agents, self.tasks, self.providers, self.tiers, self.inputs]
        return [one for one in [*files, self.experiments] if one is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """What the files hold, without the entries that are wrong in themselves."""

    roles: Mapping[str, RoleShape] = field(default_factory=dict)
    process: str = PROCESSES[0]
    tasks: Mapping[str, TaskShape] = field(default_factory=dict)
    providers: Mapping[str, ProviderShape] = field(default_factory=dict)
    deployments: Mapping[str, DeploymentShape] = field(default_factory=dict)
    tiers: Mapping[str, TierShape] = field(default_factory=dict)
    rules: Mapping[str, RuleShape] = field(default_factory=dict)
    tiers_file: TiersFile | None = None
    ladder: LadderShape = field(default_factory=LadderShape)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    regression: RegressionSpec = field(default_factory=RegressionSpec)
    keep_seconds: float | None = None
    inputs: InputsFile | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)
    experiments: Mapping[str, "ExperimentShape"] = field(default_factory=dict)


def expect(
    document: Document, path: KeyPath, noun: str, name: str, known: list[str] | None
) -> None:
    """Note a name that is not among the known; None: they could not be read."""
    if known is not None and name not in known:
        document.reject(path, unknown(noun, name, known))
