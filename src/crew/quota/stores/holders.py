"""Who holds a lease: a process of one machine, and whether it is known to be gone."""

import json
import os
import socket
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

_PROC = Path("/proc")


def this_process() -> str:
    """The holder's name of this process."""
    return _named(os.getpid())


def is_gone(holder: str) -> bool:
    """Whether the process is known to be gone. In doubt it is not: it may be on
    another machine, or in another container."""
    try:
        machine, boot, namespace, pid, started = json.loads(holder)
    except ValueError:
        return False
    if machine != _machine():
        return False
    if boot != _boot():
        return bool(boot and _boot())  # nothing outlives a start of the machine
    if namespace != _namespace():
        return False
    return not _runs(int(pid), started)


@cache
def _named(pid: int) -> str:
    return json.dumps([_machine(), _boot(), _namespace(), pid, started_at(pid)])


def _runs(pid: int, started: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    # Another process may have got the number meanwhile.
    return not (started and started_at(pid) != started)


def started_at(pid: int) -> str:
    """When a process started, in ticks since the machine did; empty when a system
    does not say so, or when the process has ended and nobody has asked how."""
    with suppress(OSError, IndexError):
        # The name, which may hold anything, is in brackets; the state follows it.
        status = (_PROC / str(pid) / "stat").read_text(errors="replace")
        fields = status.rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    return ""


@cache
def _machine() -> str:
    number = ""
    with suppress(OSError):
        number = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    return sha256(f"{socket.gethostname()} {number}".encode()).hexdigest()[:16]


@cache
def _boot() -> str:
    with suppress(OSError):
        return (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
    return ""


@cache
def _namespace() -> str:
    with suppress(OSError):
        return (_PROC / "self/ns/pid").readlink().name
    return ""
