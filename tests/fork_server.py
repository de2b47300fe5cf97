"""The program behind `forked.py`: it has imported what a run needs, and forks.

It reads requests from the socket whose number it is given, and ends when that closes.
Each child gets its own working directory, environment, arguments and descriptors, and
then begins as a fresh Python does: no thread, default signals, an own `__main__`.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import tempfile
import threading
import time
import types
from contextlib import suppress
from pathlib import Path
from typing import Any

MODULES = (
    "crew.cli",
    "crew.cli.run",
    "crew.crew",
    "crew.main",
    "crew.runs.fresh",
    "crew.runs.lifecycle",
    "crew.runs.tiers",
)
FRESH = (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
Request = dict[str, Any]


def imported() -> dict[str, str]:
    """Import what a run needs; returns what that sets in the environment."""
    before = dict(os.environ)
    importlib.import_module("crew")  # before litellm, which it keeps offline
    pool = importlib.import_module("litellm.litellm_core_utils.thread_pool_executor")
    # An import makes a first call and logs it in a thread. No thread survives a fork.
    pool.executor.submit = lambda function, *given, **named: function(*given, **named)
    for name in MODULES:
        importlib.import_module(name)
    del pool.executor.submit
    assert threading.enumerate() == [threading.main_thread()]
    return {name: text for name, text in os.environ.items() if name not in before}


def next_request(control: socket.socket) -> Request:
    """Serve until a child is forked, and return what it has to do: in that child."""
    children: dict[int, socket.socket] = {}
    woken, wakes = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wakes, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes)
    while True:
        ready, _, _ = select.select([control, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            report_ends(children)
        if control not in ready:
            continue
        sign, descriptors, *_ = socket.recv_fds(control, 1, 4)
        if not sign:
            os._exit(0)
        asker, *streams = descriptors
        answer = socket.socket(fileno=asker)
        with answer.makefile(encoding="utf-8") as file:
            request: Request = json.load(file)
        child = os.fork()
        if child == 0:
            signal.set_wakeup_fd(-1)
            for one in (control, answer, *children.values()):
                one.close()
            os.close(woken)
            os.close(wakes)
            return {**request, "streams": streams}
        children[child] = answer
        answer.sendall(f"{child}\n".encode())
        for stream in streams:
            os.close(stream)


def report_ends(children: dict[int, socket.socket]) -> None:
    for child in list(children):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            with children.pop(child) as answer:
                code = os.waitstatus_to_exitcode(status)
                with suppress(OSError):  # nobody waits for it
                    answer.sendall(f"{code}\n".encode())


def begin(request: Request, defaults: dict[str, str]) -> None:
    """Make this process what a fresh one would be."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in FRESH:
        signal.signal(number, signal.SIG_DFL)
    for target, stream in enumerate(request["streams"]):
        os.dup2(stream, target)
        os.close(stream)
    if request["terminal"]:
        import fcntl
        import termios

        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(defaults | request["env"])
    time.tzset()
    tempfile.tempdir = None
    sys.stdout.reconfigure(line_buffering=os.isatty(1))
    sys.argv = request["argv"]


def carry_out(request: Request) -> None:
    match request["what"]:
        case "crew":
            sys.exit(importlib.import_module("crew.cli").main())
        case "code":
            sys.path.insert(0, "")
            module = sys.modules["__main__"] = types.ModuleType("__main__")
            exec(compile(request["text"], "<string>", "exec"), vars(module))
        case "script":
            sys.path.insert(0, str(Path(request["text"]).parent))
            runpy.run_path(request["text"], run_name="__main__")


if __name__ == "__main__":
    control = socket.socket(fileno=int(sys.argv[1]))
    gc.disable()
    defaults = imported()
    gc.enable()
    gc.collect()
    gc.freeze()  # what is here stays in the pages that are shared
    control.sendall(b".")
    request = next_request(control)
    begin(request, defaults)
    carry_out(request)
