"""Signals that stop a command: Ctrl-C, SIGTERM and SIGHUP all end it the same way."""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from threading import Thread, current_thread, main_thread
from types import FrameType
from typing import NoReturn, Self, TypeVar

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
T = TypeVar("T")
WAKE_SECONDS = 0.5


class Stopped(KeyboardInterrupt):
    """A signal stopped the command."""

    def __init__(self, number: int = signal.SIGINT) -> None:
        self.number = number
        name = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
        super().__init__(f"interrupted{name}")

    @property
    def exit_code(self) -> int:
        """As a shell reports it."""
        return 128 + self.number

    @classmethod
    def by(cls, error: KeyboardInterrupt) -> Self:
        """The signal behind an interrupt; Ctrl-C where nothing else is known."""
        return error if isinstance(error, cls) else cls()


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise Stopped in the block when a signal comes. One that was ignored before,
    as under nohup, stays ignored."""
    if current_thread() is not main_thread():  # signals are out of reach there
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler not in (signal.SIG_IGN, None):
            signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


def ignore_signals() -> None:
    """Let no second signal stop what the first one began."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def run_in_thread(work: Callable[[], T]) -> "Future[T]":
    """Work where signals do not reach: CrewAI would let them wait for the model's
    answer, which takes minutes."""
    outcome: Future[T] = Future()

    def target() -> None:
        try:
            outcome.set_result(work())
        except BaseException as exc:  # it goes on in the thread that waits
            outcome.set_exception(exc)

    Thread(target=target, daemon=True).start()
    return outcome


def wait_for(outcome: "Future[T]") -> T:
    """The outcome, once it is there. Wakes up now and then: a signal that comes just
    before a thread falls asleep does not wake it."""
    while not wait([outcome], WAKE_SECONDS).done:
        pass
    return outcome.result()


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise Stopped(number)
