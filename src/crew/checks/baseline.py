"""What a check finds at the base commit: so a test that failed before the run is told
apart from one that the run broke. Kept by commit and command."""

import hashlib
import json
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from crew.checks.counts import Counts, counted
from crew.checks.failures import failing, plain
from crew.checks.ground import Ground
from crew.checks.runner import Runner, shell
from crew.errors import WorkspaceError
from crew.sandbox.job import Ended
from crew.workspace.checkout import at_base

_FORM = 3
"""Of the files that are kept; another form is another file."""
_ENOUGH = ("exit", "timeout", "memory", "processes", "disk", "output")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a check finds at a base: the ids of what fails, the check's name alone
    where the output names no test, and the number of tests that it counts."""

    failing: frozenset[str] = frozenset()
    counts: Counts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The findings at the base commits. `kept` is their directory, `place` one for
    worktrees that are gone afterwards."""

    runner: Runner
    kept: Path
    place: Path

    def known(self, name: str, ground: Ground, command: str) -> Known | None:
        """What the check finds there; None where nobody knows."""
        repository = ground.repository
        if repository is None:
            return Known()  # there was nothing before
        if repository.base is None:
            return None
        file = self.kept / f"{self._key(ground, repository.base, command)}.json"
        known = _read(file)
        if known is None:
            known = self._measured(name, ground, command)
            if known is not None:
                _write(file, known)
        return known

    def _measured(self, name: str, ground: Ground, command: str) -> Known | None:
        assert ground.repository is not None
        tree = self.place / ground.name
        with suppress(WorkspaceError), at_base(ground.repository, tree) as there:
            base = replace(ground, tree=there.resolve())
            if self.runner.settings.setup and not self.runner.set_up(base).passed:
                return None
            ended = self.runner.run(base, shell(command))
            failing = found(name, ended)
            if failing is not None:
                counts = counted(plain(ended.output))
                if counts == Counts():
                    failing = []  # a runner fails where there is no test: none failed
                return Known(failing=frozenset(failing), counts=counts)
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


def _read(file: Path) -> Known | None:
    with suppress(OSError, ValueError, TypeError, KeyError):
        raw = json.loads(file.read_text(encoding="utf-8"))
        counts = None if raw["counts"] is None else Counts(**raw["counts"])
        return Known(failing=frozenset(map(str, raw["failing"])), counts=counts)
    return None


def _write(file: Path, known: Known) -> None:
    part = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    counts = None if known.counts is None else asdict(known.counts)
    with suppress(OSError):  # then it is measured again
        file.parent.mkdir(parents=True, exist_ok=True)
        raw = {"failing": sorted(known.failing), "counts": counts}
        part.write_text(json.dumps(raw), encoding="utf-8")
        part.replace(file)
