"""What a check finds at the base commit: so a test that failed before the run is told
apart from one that the run broke. Kept by commit and command."""

import hashlib
import json
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from crew.checks.failures import failing, plain
from crew.checks.ground import Ground
from crew.checks.runner import Runner, shell
from crew.errors import WorkspaceError
from crew.sandbox.job import Ended
from crew.workspace.checkout import at_base

_FORM = 1
"""Of the files that are kept; another form is another file."""
_ENOUGH = ("exit", "timeout", "memory", "processes", "disk", "output")


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The findings at the base commits. `kept` is their directory, `place` one for
    worktrees that are gone afterwards."""

    runner: Runner
    kept: Path
    place: Path

    def failing(self, name: str, ground: Ground, command: str) -> frozenset[str] | None:
        """What fails there: `name` alone where the output names no test. None where
        nobody knows."""
        repository = ground.repository
        if repository is None:
            return frozenset()  # there was nothing before
        if repository.base is None:
            return None
        file = self.kept / f"{self._key(ground, repository.base, command)}.json"
        known = _read(file)
        if known is None:
            known = self._measured(name, ground, command)
            if known is not None:
                _write(file, known)
        return None if known is None else frozenset(known)

    def _measured(self, name: str, ground: Ground, command: str) -> list[str] | None:
        assert ground.repository is not None
        tree = self.place / ground.name
        with suppress(WorkspaceError), at_base(ground.repository, tree) as there:
            base = replace(ground, tree=there.resolve())
            if self.runner.settings.setup and not self.runner.set_up(base).passed:
                return None
            return found(name, self.runner.run(base, shell(command)))
        return None

    def _key(self, ground: Ground, commit: str, command: str) -> str:
        settings = self.runner.settings
        facts = (_FORM, str(ground.source), commit, command, settings.runtime)
        more = (settings.image, settings.share, settings.setup)
        return hashlib.sha256(repr((*facts, *more)).encode()).hexdigest()[:32]


def found(name: str, ended: Ended) -> list[str] | None:
    """The ids of what fails, or the check's name; None where it came to no end."""
    if ended.by not in _ENOUGH:
        return None
    if ended.passed:
        return []
    ids: Sequence[str] = failing(plain(ended.output)) if ended.by == "exit" else ()
    return list(ids) or [name]


def _read(file: Path) -> list[str] | None:
    with suppress(OSError, ValueError):
        known = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(known, list) and all(isinstance(one, str) for one in known):
            return known
    return None


def _write(file: Path, known: list[str]) -> None:
    part = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    with suppress(OSError):  # then it is measured again
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(known), encoding="utf-8")
        part.replace(file)
