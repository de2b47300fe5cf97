"""One command of a run in the sandbox, and what a model may see of its output."""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from crew.checks.failures import plain
from crew.checks.ground import Ground, job
from crew.checks.isolation import isolation
from crew.checks.reasons import failing_part
from crew.errors import WorkspaceError
from crew.sandbox.job import MB, Bounds, Ended
from crew.sandbox.leftovers import clean
from crew.sandbox.running import Sandbox, run
from crew.sandbox.toolchains import Toolchains, toolchains
from crew.settings.checks import CheckSettings
from crew.texts.escapes import escape_control
from crew.texts.masking import Secrets


@dataclass(slots=True, kw_only=True)
class Runner:
    """Runs commands, each in a sandbox of its own.

    `stopped` is asked while a command runs whether the run is to end. `done` is the
    directory that says what was set up already.
    """

    settings: CheckSettings
    secrets: Secrets
    environ: Mapping[str, str]
    done: Path
    stopped: Callable[[], bool]
    _isolation: Sandbox | str | None = field(init=False, default=None)
    _toolchains: Toolchains | None = field(init=False, default=None)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)
    _setup: threading.Lock = field(init=False, default_factory=threading.Lock)

    def run(
        self,
        ground: Ground,
        command: Sequence[str],
        *,
        others: Sequence[Ground] = (),
        online: bool = False,
    ) -> Ended:
        """Run a command to its end. One that cannot be isolated is refused."""
        with self._lock:
            if self._isolation is None:
                self._isolation = isolation(self.settings, self.environ)
        if isinstance(self._isolation, str):
            return Ended(by="refused", code=None, output=self._isolation)
        try:
            wanted = job(
                ground,
                command,
                self.settings,
                self._tools(),
                others=others,
                online=online,
            )
        except WorkspaceError as exc:
            return Ended(by="refused", code=None, output=str(exc))
        try:
            return run(self._isolation, wanted, stopped=self.stopped)
        finally:
            clean(ground.tree, own=ground.own_git)

    def _tools(self) -> Toolchains:
        """Those of the user; looked up once, as that takes longer than a sandbox."""
        if self._toolchains is None:
            home = Path(self.environ.get("HOME") or "/nonexistent")
            self._toolchains = toolchains(self.environ, home)
        return self._toolchains

    def prepared(self, ground: Ground) -> Ended | None:
        """Set a tree up, once per run; returns how that ended where it failed."""
        if self.settings.setup is None:
            return None
        marker = self.done / (ground.tree.name or "workspace")
        with self._setup:
            if marker.exists():
                return None
            ended = self.set_up(ground)
            if not ended.passed:
                return ended
            with suppress(OSError):  # then it is set up again, which is slow
                self.done.mkdir(parents=True, exist_ok=True)
                marker.touch()
        return None

    def set_up(self, ground: Ground) -> Ended:
        """Run the setup in a tree."""
        command = shell(self.settings.setup or "true")
        return self.run(ground, command, online=self.settings.setup_online)

    def shown(self, ended: Ended, ground: Ground) -> str:
        """What of an output shows the failure: bounded, without secrets, escapes of a
        terminal and names of this machine's directories."""
        text = plain(ended.output)
        for path in (ground.inside, ground.tree):
            text = text.replace(f"{path}/", "").replace(str(path), ".")
        part = failing_part(text) if ended.by != "refused" else text
        reason = _why(ended, self.settings.bounds)
        return self.masked("\n".join(filter(None, (part, reason))))

    def masked(self, text: str) -> str:
        """A text of a command as anybody may see it."""
        return self.secrets.masked(escape_control(text))


def shell(command: str) -> tuple[str, ...]:
    """A command of the user's, who may write it as in a terminal."""
    return ("/bin/sh", "-c", command)


def _why(ended: Ended, bounds: Bounds) -> str:
    match ended.by:
        case "timeout":
            return f"it was ended after {bounds.seconds:g} seconds"
        case "memory":
            return f"it was ended: it takes over {bounds.memory // MB} MB of memory"
        case "processes":
            return f"it was ended: it has over {bounds.processes} processes"
        case "disk":
            return f"it was ended: it writes over {bounds.disk // MB} MB"
        case "output":
            return f"it was ended: it prints over {bounds.output // MB} MB"
        case "interrupted":
            return "it was interrupted"
        case "exit" | "setup" if ended.code:
            full = any(sign in ended.output for sign in _NO_MORE_THREADS)
            return f"exit code {ended.code}" + (
                f"; it may have all of its {bounds.processes} processes and threads: "
                "fewer at once, or more by `sandbox: {processes: N}` in inputs.yaml"
                if full
                else ""
            )
    return ""


_NO_MORE_THREADS = (
    "can't start new thread",  # Python
    "Resource temporarily unavailable",  # a shell, make, Ruby
    "pthread_create failed",  # Go
    "unable to create native thread",  # Java
)
"""What programs print that the kernel gives no further process or thread."""
