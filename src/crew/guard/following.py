"""What is new in the journal since somebody read it last."""

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from crew.errors import StoreUnavailable
from crew.journal import ServedCall, Try

T = TypeVar("T")


class Record(Protocol):
    """What is read of the journal. Both raise StoreUnavailable."""

    def calls_after(self, row: int) -> tuple[int, list[ServedCall]]: ...

    def tries_after(self, row: int) -> tuple[int, list[Try]]: ...


class Follower(Generic[T]):
    """Reads each row once. `read` gives the rows after one, and which is the last."""

    def __init__(self, read: Callable[[int], tuple[int, list[T]]]) -> None:
        self._read = read
        self._last = 0

    def fresh(self) -> Sequence[T]:
        """The rows since the last time; none when the journal cannot be read."""
        try:
            self._last, rows = self._read(self._last)
        except StoreUnavailable:
            return ()  # the run's next record reports it
        return rows


class Nothing:
    """The journal of a guard that has none."""

    def calls_after(self, row: int) -> tuple[int, list[ServedCall]]:
        return row, []

    def tries_after(self, row: int) -> tuple[int, list[Try]]:
        return row, []
