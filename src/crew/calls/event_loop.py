"""Work that cannot be done where an event loop is running, such as a notebook's."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

ResultT = TypeVar("ResultT")


def in_a_loop() -> bool:
    """Whether the caller stands in a running event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def in_a_thread(work: Callable[[], ResultT]) -> "Future[ResultT]":
    """Begin the work in a thread of its own; what it raises is in the future."""
    ending: Future[ResultT] = Future()
    ending.set_running_or_notify_cancel()

    def carry_out() -> None:
        try:
            ending.set_result(work())
        except BaseException as exc:
            # It is raised again where somebody waits for the end.
            ending.set_exception(exc)

    context = contextvars.copy_context()
    Thread(target=context.run, args=(carry_out,), name="crew", daemon=True).start()
    return ending
