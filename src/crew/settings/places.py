"""Where the configuration lies, and the `.env` with its keys: one order for every
command, `crewai run` and scripts."""

import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from crew.errors import Mistake, SettingsError
from crew.settings.directories import config_home, defaults, is_defaults
from crew.settings.key_files import OWN, dotenv_files, found_with, unread_files
from crew.settings.recognition import has_files, looks_ours
from crew.settings.snapshot import Snapshot, Unfit, take
from crew.settings.trust import Trusted, Verdict

CONFIG_DIR = "CREW_CONFIG_DIR"
COMMAND = "`crew trust` shows what it can do, and accepts it"
_SHOWN = 3


class Origin(StrEnum):
    """How a configuration was found. The order is that of the search."""

    OPTION = "--config"
    VARIABLE = CONFIG_DIR
    REPOSITORY = "here, upwards"
    USER = "the user's own"
    PACKAGE = "the package"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of the search: what was looked at, and what came of it."""

    origin: Origin
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A configuration. `dotenv` are the files that hold its keys, there or not; the
    first one wins. `steps` is the search as far as it went, `notices` what a person
    has to know of it. `snapshot` is what was accepted of a configuration that came
    with a repository: nothing else of it is loaded."""

    directory: Path
    origin: Origin
    dotenv: tuple[Path, ...] = ()
    steps: tuple[Step, ...] = ()
    notices: tuple[str, ...] = ()
    snapshot: Snapshot | None = field(default=None, repr=False)

    @property
    def key_file(self) -> Path:
        """Where a key goes: the `.env` that is there, or the one for it."""
        there = [path for path in self.dotenv if path.is_file()]
        return next(iter([*there, *self.dotenv[-1:]]), self.directory / ".env")

    @property
    def unread(self) -> tuple[Path, ...]:
        """The `.env` files nearby that are not read: they may be an application's."""
        return unread_files(self.directory, self.dotenv)

    @property
    def contents(self) -> Mapping[str, bytes] | None:
        """The files that were accepted; None: they are read where they lie."""
        return self.snapshot.contents if self.snapshot is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A directory of a repository that may be a configuration; `problem` is why it is
    none."""

    directory: Path
    problem: str = ""


def find(
    given: str | Path | None = None, environ: Mapping[str, str] | None = None
) -> Place:
    """The configuration: the directory that is given, that of CREW_CONFIG_DIR, that of
    the repository, the user's own, or the defaults of the package.

    `environ` is by default the environment of the process; no `.env` has a say in it.
    Raises SettingsError for a name that leads nowhere.
    """
    environ = os.environ if environ is None else environ
    named = environ.get(CONFIG_DIR, "")
    if given is not None:
        return _named(Path(given), Origin.OPTION, "", (), environ)
    steps = [Step(origin=Origin.OPTION, found="not given")]
    if named:
        return _named(Path(named), Origin.VARIABLE, CONFIG_DIR, steps, environ)
    steps.append(Step(origin=Origin.VARIABLE, found="not set"))
    return _searched(steps, environ)


def located(
    given: "str | Path | Place | None", environ: Mapping[str, str] | None = None
) -> Place:
    """As `find`, for a script: what a person has to know is a warning."""
    if isinstance(given, Place):
        return given
    place = find(given, environ)
    for line in place.notices:
        warnings.warn(line, UserWarning, stacklevel=3)
    return place


def candidates() -> Iterator[Candidate]:
    """The directories here, and upwards to the root of the git repository, that could
    be a configuration: the nearest first."""
    for level in _levels():
        for directory in (level / OWN, level / "config"):
            if directory.is_dir():
                yield Candidate(directory=directory, problem=_problem(directory))


def _named(
    directory: Path,
    origin: Origin,
    key: str,
    steps: "list[Step] | tuple[()]",
    environ: Mapping[str, str],
) -> Place:
    if not directory.is_dir():
        message = "no such directory; name the one that holds agents.yaml"
        raise SettingsError(
            [Mistake(file=str(directory), line=None, key=key, message=message)]
        )
    used = Step(origin=origin, found=f"{directory}: used")
    return Place(
        directory=directory,
        origin=origin,
        dotenv=dotenv_files(directory, environ),
        steps=(*steps, used),
    )


def _searched(steps: list[Step], environ: Mapping[str, str]) -> Place:
    """The first configuration of the search that may be used."""
    notices: list[str] = []
    origin = Origin.REPOSITORY
    snapshot: Snapshot | None = None
    directory: Path | None = None
    for candidate in candidates():
        shown, problem = candidate.directory, candidate.problem
        if not problem and not is_defaults(shown):
            snapshot, problem = _accepted(shown, environ)
            notices += [f"{shown} is not used: {problem}"] if problem else []
        steps.append(Step(origin=origin, found=f"{shown}: {problem or 'used'}"))
        if not problem:
            directory = shown
            break
    if directory is None:
        directory, origin = _last_places(steps, environ)
    return Place(
        directory=directory,
        origin=origin,
        dotenv=dotenv_files(directory, environ),
        steps=tuple(steps),
        notices=tuple(notices[:1]),
        snapshot=snapshot,
    )


def _last_places(steps: list[Step], environ: Mapping[str, str]) -> tuple[Path, Origin]:
    """What is used where nothing is named and the repository brings nothing."""
    if not any(step.origin is Origin.REPOSITORY for step in steps):
        steps.append(Step(origin=Origin.REPOSITORY, found="none"))
    home = config_home(environ)
    if home is not None and has_files(home / "crew"):
        own = home / "crew"
        steps.append(Step(origin=Origin.USER, found=f"{own}: used"))
        return own, Origin.USER
    shown = str(home / "crew") if home is not None else "no home"
    steps.append(Step(origin=Origin.USER, found=f"{shown}: none"))
    steps.append(Step(origin=Origin.PACKAGE, found=f"{defaults()}: used"))
    return defaults(), Origin.PACKAGE


def _accepted(
    directory: Path, environ: Mapping[str, str]
) -> tuple[Snapshot | None, str]:
    """What was accepted of a configuration that came with a repository, or why it is
    not used."""
    try:
        snapshot = take(directory, found_with(directory, environ))
    except Unfit as exc:
        return None, f"{exc}; to use it as it is, name it: --config {directory}"
    verdict = Trusted(environ).verdict(directory, snapshot)
    if verdict.trusted:
        return snapshot, ""
    return None, f"{_reason(verdict)}; {COMMAND}"


def _reason(verdict: Verdict) -> str:
    if not verdict.known:
        return "it came with the directory, and nobody has accepted it"
    names = ", ".join(verdict.changed[:_SHOWN])
    more = len(verdict.changed) - _SHOWN
    names += f" and {more} more" if more > 0 else ""
    return f"{names or 'its content'} changed since it was accepted"


def _levels() -> Iterator[Path]:
    """The working directory and those above, up to the root of the git repository;
    outside of one, the working directory alone."""
    try:
        here = Path.cwd()
    except OSError:  # it was removed
        return
    above = [here, *here.parents]
    roots = (level for level in above if (level / ".git").exists())
    root = next(roots, here)
    for level in above:
        yield Path() if level == here else level
        if level == root:
            return


def _problem(directory: Path) -> str:
    """Why a directory is no configuration of ours."""
    own = directory.parent.name == OWN.parts[0]
    if directory.is_symlink() or (own and directory.parent.is_symlink()):
        return "a symbolic link; to use it, name it: --config"
    if own:
        return "" if has_files(directory) else "holds no YAML of ours"
    if looks_ours(directory):
        return ""
    return "not ours (no providers.yaml with tiers.yaml, no agents.yaml with a `tier:`)"
