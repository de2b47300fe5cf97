"""What a run was made with: the request, the configuration, the versions."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

_DISTRIBUTIONS = {"crew": "tiercrew", "crewai": "crewai", "litellm": "litellm"}


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Each is None, or empty, where nobody knows it any more. `seconds` is how long
    the run was worked on, without the time until it was resumed; `notices` is what a
    person may want to know of how it went."""

    request: str | None = None
    seconds: float | None = None
    config_hash: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    notices: Sequence[str] = ()


def versions() -> dict[str, str]:
    """The versions that a run may depend on; nothing is imported for them."""
    found = {}
    for name, distribution in _DISTRIBUTIONS.items():
        try:
            found[name] = version(distribution)
        except PackageNotFoundError:  # a copy of the source that nobody installed
            found[name] = "unknown"
    return {**found, "python": platform.python_version()}
