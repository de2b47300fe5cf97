"""What the page is read from: the journal, the quota store, and the files of runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from crew.clock import Clock
from crew.errors import StoreUnavailable, file_problem
from crew.guard import QuotaGuard
from crew.journal import Journal, journal_file
from crew.notices import Listener
from crew.reports.board import Board
from crew.runs.allowances import board
from crew.settings import Settings
from crew.texts.escapes import escape_control

FRESH_SECONDS = 0.8


@dataclass(slots=True)
class Sources:
    """The journal is opened for each look: a run may make it, or somebody remove it.
    `listener` hears of a damaged file that was mended."""

    settings: Settings
    clock: Clock
    listener: Listener = lambda line: None
    _guard: QuotaGuard | None = None
    _board: Board | None = None
    _looked_at: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    @property
    def journal_path(self) -> Path:
        return journal_file(self.settings.state_dir)

    @contextmanager
    def journal(self) -> Iterator[Journal | None]:
        """The journal in the block; None where there is none yet. Raises
        StoreUnavailable."""
        if not self.journal_path.exists():
            yield None
            return
        with Journal.open(self.journal_path, self.clock, self.listener) as journal:
            yield journal

    def guard(self) -> QuotaGuard:
        """What knows the limits. Raises StoreUnavailable."""
        with self._lock:
            if self._guard is None:
                self._guard = QuotaGuard.open(self.settings, listener=self.listener)
            return self._guard

    def board(self) -> Board:
        """How the limits and the money stand, looked up once for all who ask at the
        same time. Raises StoreUnavailable."""
        guard, now = self.guard(), self.clock.monotonic()
        with self._lock:
            if self._board is None or now - self._looked_at > FRESH_SECONDS:
                with self.journal() as journal:
                    self._board, self._looked_at = board(guard, journal), now
            return self._board

    def close(self) -> None:
        """Let go of the store."""
        with self._lock:
            if self._guard is not None:
                self._guard.close()
                self._guard = None

    def shown(self, text: str) -> str:
        """A text without any key, that shows no other text than it is: models,
        providers and repositories write names and reasons."""
        return escape_control(self.settings.secrets.masked(text))

    def document(self, read: Callable[[], object]) -> object:
        """What `read` returns, with all its texts as `shown`; what keeps it from being
        read is in its place."""
        try:
            return self._cleaned(read())
        except StoreUnavailable as exc:
            return {"trouble": self.shown(str(exc))}
        except OSError as exc:
            return {"trouble": self.shown(file_problem(exc))}

    def _cleaned(self, value: object) -> object:
        match value:
            case str():
                return self.shown(value)
            case dict():
                return {
                    self.shown(str(key)): self._cleaned(one)
                    for key, one in value.items()
                }
            case list() | tuple():
                return [self._cleaned(one) for one in value]
            case _:
                return value
