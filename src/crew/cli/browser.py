"""Showing an address in the user's browser, without telling it to other users."""

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from html import escape
from pathlib import Path

from crew.processes.environment import inherited

_OF_THE_SCREEN = (
    "BROWSER",
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "LANG",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_CURRENT_DESKTOP",
    "XDG_DATA_DIRS",
    "XDG_RUNTIME_DIR",
    "XDG_SESSION_TYPE",
)


@contextmanager
def shown_in_browser(address: str, directory: Path) -> Iterator[None]:
    """Open an address where there is a screen and a program for it; else nothing
    happens.

    All users of a machine see the arguments of a program, so that it gets the name of
    a file of ours, which leads to the address and is gone after the block.
    """
    command = opener(os.environ)
    if command is None:
        yield
        return
    file = directory.absolute() / f"ui-{secrets.token_hex(8)}.html"
    program: subprocess.Popen[bytes] | None = None
    try:
        with suppress(OSError):  # the address is printed, too
            _write(file, address)
            program = _start([command, file.as_uri()])
        yield
    finally:
        with suppress(OSError):
            file.unlink(missing_ok=True)
        if program is not None:
            program.poll()  # it may be the browser, and stays


def opener(environ: Mapping[str, str]) -> str | None:
    """The program that opens an address on this screen, if there is one."""
    if sys.platform == "darwin":
        return shutil.which("open")
    if environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"):
        return shutil.which("xdg-open")
    return None


def _write(file: Path, address: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    page = (
        '<!doctype html><meta charset="utf-8"><meta name="referrer" '
        'content="no-referrer"><title>crew</title>'
        f'<meta http-equiv="refresh" content="0; url={escape(address)}">'
    )
    with os.fdopen(
        os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w"
    ) as f:
        f.write(page)


def _start(command: list[str]) -> "subprocess.Popen[bytes]":
    """Begin a program that sees no key of ours, and writes nowhere."""
    seen = {name: os.environ[name] for name in _OF_THE_SCREEN if name in os.environ}
    return subprocess.Popen(
        command,
        env={**inherited(os.environ), **seen},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
