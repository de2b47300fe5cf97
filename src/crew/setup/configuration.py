"""`.crew/config` of a repository: where it is, and writing what is missing there."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crew.setup.keys import DOTENV
from crew.setup.own_files import OwnDirectory, below, refused
from crew.setup.texts import FILES

STATE, CONFIG, IGNORE = ".crew", "config", ".gitignore"
_PART = re.compile(r"\.\w+\.yaml\.[0-9a-f]{8}")
HIDDEN = "*\n"
"""Git sees nothing of ours."""
SHARED = f"""\
# The configuration is shared; keys, counters and journals never are.
*
!/{IGNORE}
!/{CONFIG}/
!/{CONFIG}/**
{DOTENV}
__pycache__/
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was done in `directory`. `kept` files were there before. `fresh`: all that
    it holds is as it is written here. `hidden`: git sees no `.env` beside it."""

    directory: Path
    added: tuple[str, ...]
    kept: tuple[str, ...]
    fresh: bool
    hidden: bool


def root_of(directory: Path) -> Path:
    """The top of the git repository around a directory, else the directory."""
    here = directory.absolute()
    for path in (here, *here.parents):
        if (path / ".git").exists():
            return path
    return here


def write_configuration(
    root: Path, texts: Mapping[str, str], *, share: bool = False
) -> Written:
    """Write the files that are missing in `.crew/config` of `root`, and hide them from
    git unless they are to be shared. Raises OSError, and SettingsError where a link
    leads elsewhere, or an ignore file of somebody else's stands in the way."""
    with below(root, STATE) as state:
        _hide(state, share)
        hidden = state.read(IGNORE) in (HIDDEN, SHARED)
        foreign = DOTENV in state.names()
    with below(root, STATE, CONFIG) as config:
        foreign = foreign or any(
            not _is_ours(config, one, texts) for one in config.names()
        )
        added = [name for name in FILES if config.add(name, texts[name])]
    return Written(
        directory=root / STATE / CONFIG,
        added=tuple(added),
        kept=tuple(name for name in FILES if name not in added),
        fresh=not foreign,
        hidden=hidden,
    )


def _is_ours(config: OwnDirectory, name: str, texts: Mapping[str, str]) -> bool:
    """Whether an `init` that did not end, or one beside this, may have written it."""
    if name in FILES:
        return config.read(name) == texts[name]
    return _PART.fullmatch(name) is not None


def _hide(state: OwnDirectory, share: bool) -> None:
    wanted = SHARED if share else HIDDEN
    if state.add(IGNORE, wanted) or not share:
        return
    found = state.read(IGNORE)
    if found == HIDDEN:
        state.replace(IGNORE, wanted)
    elif found != SHARED:
        raise refused(state.path / IGNORE, f"it has other content; add !/{CONFIG}/**")


def write_keys(root: Path, keys: Mapping[str, str]) -> Path:
    """Add keys to the `.env` beside the configuration, for its owner alone. Raises
    OSError and SettingsError."""
    text = "".join(f"{variable}={key}\n" for variable, key in keys.items())
    with below(root, STATE) as state:
        if not state.add(DOTENV, text, mode=0o600):
            state.append(DOTENV, text)
    return root / STATE / DOTENV
