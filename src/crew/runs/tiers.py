"""The tiers of a configuration, for agents of one's own CrewAI project.

`providers.yaml` and `tiers.yaml` are all that is needed. One run holds all calls: it
begins with the first one, and ends with the `with` block or with the process.
"""

import atexit
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

from crew.calls.llm import PARAMETERS, TieredLLM
from crew.calls.past_guard import watch
from crew.calls.run import Run
from crew.clock import SystemClock
from crew.errors import CrewError, Interrupted, Mistake, SettingsError
from crew.journal import new_run_id
from crew.notices import Listener
from crew.runs.directory import hide_from_git
from crew.runs.ending import status_of
from crew.runs.rehearsal import needed, playing
from crew.settings import KINDS, Role, Settings
from crew.settings.wording import unknown


class Tiers:
    """Hands out LLMs that are bound to tiers; each agent gets one of its own.

    `run_id` is the run that `crew report` shows. `settings` are those of
    `load_tiers`; their roles are the ones that were asked for here.
    """

    def __init__(self, settings: Settings, *, listener: Listener) -> None:
        self.run_id = new_run_id(SystemClock())
        self._settings = settings
        self._listener = listener
        self._roles: dict[str, Role] = {}
        self._run: Run | None = None
        self._closed = False
        self._watched = False
        self._lock = Lock()
        self._stack = ExitStack()

    def llm(
        self,
        tier: str,
        *,
        role: str | None = None,
        kind: str | None = None,
        patience: float = 0.0,
        **parameters: Any,
    ) -> TieredLLM:
        """The LLM of one agent. `role` is its name in limits and reports (default: the
        tier's); `kind` is the kind of its work, which routing rules use; `patience` is
        in seconds. `temperature`, `top_p`, `max_tokens` and `seed` go to the model.

        Raises SettingsError for a name that tiers.yaml does not know.
        """
        name = role or tier
        self._check(tier, kind, name, parameters)
        wanted = Role(
            name=name,
            role=name,
            goal="",
            backstory="",
            tier=tier,
            kind=kind,
            patience=patience,
        )
        if self._roles.setdefault(name, wanted) != wanted:
            message = "has another tier, kind or patience already; use another name"
            raise _refused(f"role {name!r} {message}")
        with self._lock:
            if not self._watched and not self._closed:
                self._watched = True
                self._stack.callback(watch(self.run_id, self._listener))
        options = replace(wanted, options=parameters)
        return TieredLLM.lent(self._open, self.run_id, options)

    def close(self, *, error: BaseException | None = None) -> None:
        """End the run; what it recorded stays. Nothing happens the second time."""
        with self._lock:
            run, self._run, self._closed = self._run, None, True
        if run is None:
            self._stack.close()
            return
        atexit.unregister(self._end)
        failure = run.failure if error is not None else None
        if isinstance(error, KeyboardInterrupt):
            failure = failure or Interrupted("interrupted")
        status = status_of(failure) if failure or error is None else "failed"
        self._finish(run, status)

    def __enter__(self) -> "Tiers":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(error=error)

    def _end(self) -> None:
        """End the run with the process; an error that ended a script ends it, too."""
        uncaught = None if hasattr(sys, "ps1") else getattr(sys, "last_value", None)
        self.close(error=(self._run.failure if self._run else None) or uncaught)

    def _finish(self, run: Run, status: str) -> None:
        try:
            run.journal.finish_run(run.id, status)
        finally:
            run.close()
            self._stack.close()

    def _open(self) -> Run:
        """The run; it begins when somebody asks first. Raises StoreUnavailable."""
        with self._lock:
            if self._closed:
                raise CrewError(f"run {self.run_id} has ended; open the tiers anew")
            if self._run is None:
                self._run = self._begin()
                atexit.register(self._end)
            return self._run

    def _begin(self) -> Run:
        asked = replace(self._settings, roles=self._roles)
        played = playing(asked, needed(asked), self._listener)
        settings = self._stack.enter_context(played)
        hide_from_git(settings.state_dir)
        return Run.open(
            replace(settings, roles=self._roles),
            output=Path("output", self.run_id).absolute(),
            run_id=self.run_id,
            listener=self._listener,
        )

    def _check(
        self, tier: str, kind: str | None, role: str, parameters: Iterable[str]
    ) -> None:
        if tier not in self._settings.tiers:
            raise _refused(unknown("tier", tier, self._settings.tiers))
        if kind is not None and kind not in KINDS:
            raise _refused(unknown("kind", kind, KINDS))
        if not role.strip():
            raise _refused("a role needs a name")
        for name in parameters:
            if name not in PARAMETERS:
                raise _refused(unknown("parameter", name, PARAMETERS))


def _refused(message: str) -> SettingsError:
    return SettingsError(
        [Mistake(file="arguments", line=None, key="", message=message)]
    )
