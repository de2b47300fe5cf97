"""Running a command to its end, or to the first bound that it meets."""

import os
import selectors
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from crew.clock import Clock, SystemClock
from crew.sandbox.job import Ended, Job
from crew.sandbox.output import BoundedOutput
from crew.sandbox.started import Started
from crew.sandbox.watch import Watch

_LOOK_SECONDS = 0.05
_READ_BYTES = 64 * 1024
_GONE_SECONDS = 0.001
_ENDING_SECONDS = 5.0
"""How long the pipe of a command that was killed may stay open."""


class Sandbox(Protocol):
    """A way to isolate a command."""

    @property
    def name(self) -> str:
        """What a person knows it as."""
        ...

    def start(self, job: Job) -> AbstractContextManager[Started]:
        """Start a command. Raises OSError."""
        ...


def run(
    sandbox: Sandbox,
    job: Job,
    *,
    stopped: Callable[[], bool] = lambda: False,
    clock: Clock | None = None,
) -> Ended:
    """Run a command; nothing of it is left running afterwards. `stopped` is asked all
    the while whether somebody wants it to end."""
    clock = clock or SystemClock()
    output = BoundedOutput()
    began = clock.monotonic()
    watch = Watch(bounds=job.bounds, written=job.written, began=clock.now())
    try:
        with sandbox.start(job) as started:
            try:
                by = _followed(started, job, output, watch, stopped, clock)
            finally:
                started.kill()
                _drain(started, output, clock)
                code = started.process.wait()
                _await_all(started, clock)
    except OSError as exc:
        return Ended(by="refused", code=None, output=f"it does not start: {exc}")
    seconds = clock.monotonic() - began
    code_or_none = code if by == "exit" else None
    return Ended(by=by, code=code_or_none, output=output.text(), seconds=seconds)


def _followed(
    started: Started,
    job: Job,
    output: BoundedOutput,
    watch: Watch,
    stopped: Callable[[], bool],
    clock: Clock,
) -> str:
    """Read and watch until it ends; returns by what."""
    pipe = started.process.stdout
    assert pipe is not None
    began = look = clock.monotonic()
    until = began + job.bounds.seconds
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while (now := clock.monotonic()) < until:
            if now >= look:
                look = now + _LOOK_SECONDS
                if over := "interrupted" if stopped() else _over(started, watch, now):
                    return over
            if not selector.get_map():
                if _has_ended(started, _LOOK_SECONDS):
                    return "exit"
            elif selector.select(min(_LOOK_SECONDS, until - now)):
                raw = os.read(pipe.fileno(), _READ_BYTES)
                output.feed(raw)
                if output.size > job.bounds.output:
                    return "output"
                if not raw:
                    selector.unregister(pipe)
            elif _has_ended(started, 0):
                return "exit"  # what it left running holds the pipe open
    return "timeout"


def _await_all(started: Started, clock: Clock) -> None:
    """Wait until the last process inside is gone: it could write to the worktree."""
    until = clock.monotonic() + _ENDING_SECONDS
    while started.is_alive() and clock.monotonic() < until:
        clock.sleep(_GONE_SECONDS)


def _over(started: Started, watch: Watch, now: float) -> str | None:
    return watch.exceeded(started.processes(), now)


def _has_ended(started: Started, seconds: float) -> bool:
    try:
        started.process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _drain(started: Started, output: BoundedOutput, clock: Clock) -> None:
    """Read what is left, until all that could write is gone."""
    pipe = started.process.stdout
    assert pipe is not None
    until = clock.monotonic() + _ENDING_SECONDS
    with pipe, selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while clock.monotonic() < until and selector.select(_LOOK_SECONDS):
            raw = os.read(pipe.fileno(), _READ_BYTES)
            if not raw:
                return
            output.feed(raw)
