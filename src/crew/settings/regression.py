"""What follows a regression, as tiers.yaml says it under `regression`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionSpec:
    """Whether deployments are watched, and for how many seconds one that got worse is
    benched; None: it is only reported."""

    watch: bool = True
    bench: float | None = None
