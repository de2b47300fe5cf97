"""The calls of all runs as sums, kept up to date: only new rows are read."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import Lock

from crew.journal import Tally
from crew.ui.sources import Sources

Key = tuple[str, str, str, str]
"""Provider, deployment, role, outcome."""


@dataclass(slots=True)
class Tallies:
    """Several threads may ask. A journal that somebody replaced is read anew."""

    sources: Sources
    _last: int = 0
    _file: tuple[int, int] | None = None
    _known: dict[Key, Tally] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def now(self) -> Mapping[Key, Tally]:
        """All calls up to now, those that came first before others. Raises
        StoreUnavailable."""
        with self._lock, self.sources.journal() as journal:
            if journal is None:
                self._forget(None)
                return {}
            found = self.sources.journal_path.stat()
            if self._file != (found.st_dev, found.st_ino):
                self._forget((found.st_dev, found.st_ino))
            last, tallies = journal.tallies_after(self._last)
            if last < self._last:
                self._forget(self._file)
                last, tallies = journal.tallies_after(0)
            self._last = last
            for one in tallies:
                self._add(one)
            return dict(self._known)

    def _forget(self, file: tuple[int, int] | None) -> None:
        self._last, self._file, self._known = 0, file, {}

    def _add(self, one: Tally) -> None:
        key = (one.provider, one.deployment, one.role, one.outcome)
        known = self._known.get(key)
        if known is not None:
            one = replace(one, first=known.first, sums=known.sums + one.sums)
        self._known[key] = one
