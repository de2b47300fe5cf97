"""A run beside an event loop, such as a notebook's: in a thread of its own.

CrewAI does not run where a loop is running. The thread ends when the run does; who
stops waiting for it interrupts the run.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from crew.calls.event_loop import in_a_thread
from crew.runs.ending import Underway

ResultT = TypeVar("ResultT")
Started = Callable[[Underway], None]
Work = Callable[[Started], ResultT]
"""It works on a run until that ends, and calls back before the run's first call."""


def wait_for(work: Work[ResultT]) -> ResultT:
    """Do the work, and let the caller wait for it, loop and all."""
    ending, interrupt = _start(work)
    try:
        return ending.result()
    except BaseException:
        interrupt()  # of a run that has ended by itself, this changes nothing
        raise


async def awaited(work: Work[ResultT]) -> ResultT:
    """Do the work while the loop goes on."""
    ending, interrupt = _start(work)
    try:
        return await asyncio.wrap_future(ending)
    except BaseException:
        interrupt()
        raise


def _start(work: Work[ResultT]) -> tuple["Future[ResultT]", Callable[[], None]]:
    """The end of the work, and what interrupts it."""
    underway: list[Underway] = []
    stopped: list[bool] = []

    def interrupt() -> None:
        stopped.append(True)
        for one in underway:
            one.run.interrupt()

    def started(one: Underway) -> None:
        underway.append(one)
        if stopped:
            one.run.interrupt()

    return in_a_thread(lambda: work(started)), interrupt
