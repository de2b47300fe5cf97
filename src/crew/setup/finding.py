"""Everything that `crew init` finds out by itself: keys, local servers, checks."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crew.clock import Clock
from crew.errors import SettingsError
from crew.settings.directories import config_home, defaults
from crew.settings.key_files import OWN, dotenv_files
from crew.setup.checks import Check, find_checks
from crew.setup.keys import DOTENV, Keys, find_keys
from crew.setup.local_servers import LocalServer, find_local_servers
from crew.setup.needs import find_shares, lacking


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What there is to work with in a directory. `left_out` are checks whose program
    is not installed; `shares` what the checks need of the checkout."""

    keys: Keys
    servers: tuple[LocalServer, ...]
    checks: tuple[Check, ...]
    left_out: tuple[Check, ...] = ()
    shares: tuple[str, ...] = ()

    @property
    def can_call(self) -> bool:
        """Whether any model can be called."""
        return bool(self.keys.found or self.servers)


def look(root: Path, config: Path, environ: Mapping[str, str], clock: Clock) -> Found:
    """What there is in the repository at `root`. `config` names the providers. Nothing
    is run, and nothing is asked but servers on loopback. Raises SettingsError for an
    environment that is wrong."""
    every = find_checks(root)
    search = environ.get("PATH")
    out = [one for one in every if lacking(root, one.command, search)]
    return Found(
        keys=keys_for(root / OWN, config, environ),
        servers=tuple(find_local_servers(clock)),
        checks=tuple(one for one in every if one not in out),
        left_out=tuple(out),
        shares=find_shares(root),
    )


def keys_for(directory: Path, config: Path, environ: Mapping[str, str]) -> Keys:
    """The keys that a configuration in `directory` would find. `config` names the
    providers; the defaults do where it is not there, or wrong."""
    home = config_home(environ)
    own = home / "crew" / DOTENV if home is not None else None
    beside = dotenv_files(directory, environ)
    try:
        return find_keys(config, environ, beside, own)
    except SettingsError:
        return find_keys(defaults(), environ, beside, own)
