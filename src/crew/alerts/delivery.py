"""Alerts go to the user's webhook and command, from a thread of their own: nothing
that happens there disturbs a run."""

import json
import os
import queue
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from crew.alerts.webhook import Refused, post
from crew.clock import Clock
from crew.journal.alerts import AlertRecord
from crew.notices import Listener
from crew.processes.environment import inherited
from crew.settings.alerts import AlertSettings

SECONDS = 5.0
"""How long a webhook or a command may take, and how long the end of a process waits."""
RETRY_PAUSE = 1.0
_MOST_WAITING = 100
_DESKTOP = (
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
)
"""What a program that shows something on a desktop needs besides."""


class Delivery:
    """Sends alerts, one after another. A webhook or a command that fails is reported
    once."""

    def __init__(
        self,
        settings: AlertSettings,
        clock: Clock,
        listener: Listener,
        *,
        on: bool = True,
        seconds: float = SECONDS,
    ) -> None:
        self._webhook = settings.webhook if on else None
        self._command = settings.command if on else ()
        self._clock = clock
        self._listener = listener
        self._seconds = seconds
        self._waiting: queue.Queue[dict[str, str] | None] = queue.Queue(_MOST_WAITING)
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._failed: set[str] = set()
        self._lock = threading.Lock()

    def send(self, alert: AlertRecord, run: str) -> None:
        """Send an alert soon; returns at once."""
        if self._webhook is None and not self._command:
            return
        raised = datetime.fromtimestamp(alert.raised_at, UTC)
        document = {
            "kind": alert.kind,
            "key": alert.key,
            "text": alert.text,
            "raised_at": raised.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "run": run,
        }
        with suppress(queue.Full):  # nobody reads a hundred alerts
            self._waiting.put_nowait(document)
        with self._lock:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Wait for what is being sent, for a few seconds at most."""
        with self._lock:
            self._closing.set()
            thread = self._thread
        if thread is not None:
            with suppress(queue.Full):
                self._waiting.put_nowait(None)
            thread.join(self._seconds + 1)  # what takes too long is reported, too

    def _work(self) -> None:
        while (document := self._waiting.get()) is not None:
            if self._webhook is not None:
                self._try_webhook(self._webhook, document)
            if self._command:
                self._try_command(self._command, document)

    def _try_webhook(self, address: str, document: dict[str, str]) -> None:
        body = {"text": f"crew: {_for_slack(document['text'])}", "alert": document}
        raw = json.dumps(body).encode("ascii")
        try:
            try:
                post(address, raw, self._clock, seconds=self._seconds)
            except Refused as exc:
                if not exc.again or self._closing.wait(RETRY_PAUSE):
                    raise
                post(address, raw, self._clock, seconds=self._seconds)
        except Refused as exc:
            self._note("webhook", str(exc))

    def _try_command(self, command: Sequence[str], document: dict[str, str]) -> None:
        text = document["text"]
        # An argument with a hyphen first would be an option.
        words = [*command, f" {text}" if text.startswith("-") else text]
        given = json.dumps(document).encode("ascii") + b"\n"
        desktop = {name: os.environ[name] for name in _DESKTOP if name in os.environ}
        try:
            child = subprocess.Popen(
                words,
                env={**inherited(os.environ), **desktop},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as exc:
            self._note("command", getattr(exc, "strerror", None) or str(exc))
            return
        with child:
            try:
                child.communicate(given, timeout=self._seconds)
            except subprocess.TimeoutExpired:
                with suppress(OSError):
                    os.killpg(child.pid, 9)
                self._note("command", f"took more than {self._seconds:.0f} s")
            else:
                if child.returncode:
                    self._note("command", f"exit code {child.returncode}")

    def _note(self, which: str, why: str) -> None:
        if which not in self._failed:
            self._failed.add(which)
            self._listener(f"WARNING: the {which} of `alerts` failed: {why}")


def _for_slack(text: str) -> str:
    """Slack reads &, < and > as marks, such as those of a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
