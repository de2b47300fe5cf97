"""The system calls that a sandboxed command cannot make, as a program for the kernel.

Namespaces do not part everything: the kernel's keyrings, sockets to the machine that
hosts this one, and memory that no limit counts are reached by these calls.
"""

import errno
import platform
import struct
from dataclasses import dataclass

_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_ALLOW, _ERROR, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_AF_VSOCK = 40
_X32 = 0x40000000
_SET_ID = 0o6000
_SEGMENT_BYTES = 64 * 1024
"""A segment of System V memory that may be had; PostgreSQL needs a small one."""

_REFUSED = (
    "keyctl", "add_key", "request_key", "bpf", "perf_event_open", "userfaultfd",
    "io_uring_setup", "io_uring_enter", "io_uring_register", "memfd_secret",
    "memfd_create", "kexec_load", "open_by_handle_at", "name_to_handle_at",
    "move_pages", "mbind", "swapon", "fanotify_init", "quotactl", "acct", "syslog",
)  # fmt: skip
"""They answer ENOSYS, as an older kernel would."""


@dataclass(frozen=True, slots=True)
class _Machine:
    """A kind of processor: the kernel's number for it, and those of the calls."""

    audit: int
    calls: dict[str, int]


_X86_64 = _Machine(
    0xC000003E,
    {
        "keyctl": 250, "add_key": 248, "request_key": 249, "bpf": 321,
        "perf_event_open": 298, "userfaultfd": 323, "io_uring_setup": 425,
        "io_uring_enter": 426, "io_uring_register": 427, "memfd_secret": 447,
        "memfd_create": 319, "kexec_load": 246, "open_by_handle_at": 304,
        "name_to_handle_at": 303, "move_pages": 279, "mbind": 237, "swapon": 167,
        "fanotify_init": 300, "quotactl": 179, "acct": 163, "syslog": 103,
        "ioctl": 16, "socket": 41, "socketpair": 53, "shmget": 29,
        "chmod": 90, "fchmod": 91, "fchmodat": 268, "fchmodat2": 452,
    },
)  # fmt: skip
_AARCH64 = _Machine(
    0xC00000B7,
    {
        "keyctl": 219, "add_key": 217, "request_key": 218, "bpf": 280,
        "perf_event_open": 241, "userfaultfd": 282, "io_uring_setup": 425,
        "io_uring_enter": 426, "io_uring_register": 427, "memfd_secret": 447,
        "memfd_create": 279, "kexec_load": 104, "open_by_handle_at": 265,
        "name_to_handle_at": 264, "move_pages": 239, "mbind": 235, "swapon": 224,
        "fanotify_init": 262, "quotactl": 60, "acct": 89, "syslog": 116,
        "ioctl": 29, "socket": 198, "socketpair": 199, "shmget": 194,
        "fchmod": 52, "fchmodat": 53, "fchmodat2": 452,
    },
)  # fmt: skip
_MACHINES = {"x86_64": _X86_64, "aarch64": _AARCH64}


def program(machine: str | None = None) -> bytes | None:
    """The filter for this kind of processor; None where nobody knows its numbers."""
    known = _MACHINES.get(machine or platform.machine())
    if known is None:
        return None
    found = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, known.audit, when=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
    ]
    if known is _X86_64:  # the same calls under other numbers
        found += [_step(_AT_LEAST, _X32, unless=1), _fail(errno.ENOSYS)]
    for name in _REFUSED:
        found += [_step(_EQUAL, known.calls[name], unless=1), _fail(errno.ENOSYS)]
    found += _when(known, "ioctl", 1, _EQUAL, (_TIOCSTI, _TIOCLINUX), errno.EPERM)
    for call in ("socket", "socketpair"):
        found += _when(known, call, 0, _EQUAL, (_AF_VSOCK,), errno.EAFNOSUPPORT)
    found += _when(known, "shmget", 1, _AT_LEAST, (_SEGMENT_BYTES,), errno.ENOMEM)
    for call, place in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("fchmodat2", 2)):
        found += _set_id(known, call, place)
    return b"".join([*found, _step(_RETURN, _ALLOW)])


def _step(code: int, value: int, *, when: int = 0, unless: int = 0) -> bytes:
    """One instruction; `when` and `unless` are how many are skipped after a test."""
    return struct.pack("=HBBI", code, when, unless, value)


def _fail(number: int) -> bytes:
    return _step(_RETURN, _ERROR | number)


def _when(
    known: _Machine, call: str, place: int, test: int, values: tuple[int, ...], no: int
) -> list[bytes]:
    """Refuse a call for some values of one argument, compared by its low half."""
    if call not in known.calls:
        return []
    body = [_step(_LOAD, _ARGUMENTS + 8 * place)]
    for value in values:
        body += [_step(test, value, unless=1), _fail(no)]
    body.append(_step(_LOAD, _NUMBER))
    return [_step(_EQUAL, known.calls[call], unless=len(body)), *body]


def _set_id(known: _Machine, call: str, place: int) -> list[bytes]:
    """No program of the worktree may run as its owner for everybody."""
    if call not in known.calls:
        return []
    body = [
        _step(_LOAD, _ARGUMENTS + 8 * place),
        _step(_AND, _SET_ID),
        _step(_EQUAL, 0, when=1),
        _fail(errno.EPERM),
        _step(_LOAD, _NUMBER),
    ]
    return [_step(_EQUAL, known.calls[call], unless=len(body)), *body]
