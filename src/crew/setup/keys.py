"""The provider keys that there are, and where each was found."""

import io
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values

from crew.settings.loader import load_tiers
from crew.setup.repository_files import RepositoryFiles

DOTENV = ".env"
_KEY = re.compile(r"[A-Za-z0-9_.:/+=~-]{8,400}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The variables of providers' keys that are set, and where. `usable` are the
    deployments that can be called with them. `own` holds those keys by variable that
    no run here would find: they are in the user's own `.env`."""

    found: Mapping[str, str] = field(default_factory=dict)
    usable: frozenset[str] = frozenset()
    own: Mapping[str, str] = field(default_factory=dict, repr=False)


def find_keys(
    config: Path,
    environ: Mapping[str, str],
    beside: Collection[Path],
    own: Path | None,
) -> Keys:
    """The keys in the environment, in the `.env` files `beside` the configuration, and
    in the user's `own`; the first of them counts. `config` holds the providers.
    Raises SettingsError."""
    values = {name: value for name, value in environ.items() if value}
    places = dict.fromkeys(values, "the environment")
    for path in (*beside, *([own] if own else ())):
        for name, value in _written(path).items():
            if name not in values:
                values[name] = value
                places[name] = str(path)
    settings = load_tiers(config, environ=values)
    found = {
        one.api_key_variable: places[one.api_key_variable]
        for one in settings.providers.values()
        if one.api_key is not None and one.api_key_variable is not None
    }
    return Keys(
        found=found,
        usable=frozenset(
            name
            for name, one in settings.deployments.items()
            if one.provider.api_key is not None
        ),
        own={
            name: values[name]
            for name, place in found.items()
            if place == str(own) and is_key(values[name])
        },
    )


def is_key(text: str) -> bool:
    """Whether a text may be a provider's key: one word, which `.env` takes as it is."""
    return _KEY.fullmatch(text) is not None


def _written(path: Path) -> dict[str, str]:
    text = RepositoryFiles(path.parent).text(path.name)
    found = dotenv_values(stream=io.StringIO(text), interpolate=False)
    # It may have come with the repository: it names no store and no directory.
    return {
        name: value
        for name, value in found.items()
        if value and not name.startswith("CREW_")
    }
