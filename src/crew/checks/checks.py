"""The checks of one run: by name, in the root of each repository's worktree."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from crew.checks.baseline import Baseline
from crew.checks.comparing import Comparing
from crew.checks.filters import filtered
from crew.checks.ground import Ground, grounds
from crew.checks.result import CheckResult, joined
from crew.checks.runner import Runner, shell
from crew.errors import WorkspaceError
from crew.sandbox.job import Ended
from crew.settings import Settings
from crew.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """The checks of a run, for the repositories of its workspace. `ran` gets the
    result of each check that ran."""

    workspace: Workspace
    runner: Runner
    baseline: Baseline
    grounds: tuple[Ground, ...]
    ran: Callable[[CheckResult], None] = lambda result: None

    @classmethod
    def of(
        cls,
        settings: Settings,
        workspace: Workspace,
        *,
        stopped: Callable[[], bool] = lambda: False,
    ) -> "Checks":
        """The checks that the settings name. `stopped` is asked while a command runs
        whether the run is to end."""
        runner = Runner(
            settings=settings.checks,
            secrets=settings.secrets,
            environ=dict(os.environ),
            done=workspace.root.with_suffix(".setup"),
            stopped=stopped,
        )
        baseline = Baseline(
            runner=runner,
            kept=settings.state_dir.absolute() / "checks",
            place=workspace.root.with_suffix(".base"),
        )
        return cls(
            workspace=workspace,
            runner=runner,
            baseline=baseline,
            grounds=grounds(workspace),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The checks that there are for these repositories, in the order of the
        settings."""
        settings = self.runner.settings
        here = {name for one in self.grounds for name in settings.of(one.name)}
        return tuple(name for name in settings.names if name in here)

    def run(self, name: str, *, paths: Sequence[str] = ()) -> CheckResult:
        """Run a check, on some `paths` of the workspace only where they are given.
        Raises WorkspaceError for a name or a path that there is not."""
        if name not in self.names:
            known = ", ".join(self.names) or "none"
            raise WorkspaceError(f"there is no check {name!r}; there are: {known}")
        parts = {}
        for ground, inside in self._chosen(name, paths):
            command = self.runner.settings.of(ground.name)[name]
            if inside:
                command = filtered(command, inside, ground.tree)
            parts[ground.name] = self._result(name, ground, command, whole=not inside)
        result = joined(name, parts)
        if result.ended_by not in ("refused", "interrupted"):
            self.ran(result)
        return result

    def command(self, argv: Sequence[str], repository: str = "") -> Ended:
        """Run a program with its arguments in a repository; its output is as a model
        may see it. Raises WorkspaceError."""
        ground = next(
            (one for one in self.grounds if one.name == repository or not repository),
            None,
        )
        if ground is None:
            known = ", ".join(one.name for one in self.grounds)
            raise WorkspaceError(f"no repository {repository!r}; there are: {known}")
        runner = self.runner
        ended = runner.prepared(ground) or runner.run(
            ground, argv, others=self._others(ground)
        )
        return replace(ended, output=runner.shown(ended, ground))

    def _chosen(
        self, name: str, paths: Sequence[str]
    ) -> list[tuple[Ground, list[str]]]:
        """Where the check runs, each with those of the paths that are there."""
        settings = self.runner.settings
        there = [one for one in self.grounds if name in settings.of(one.name)]
        if not paths:
            return [(one, []) for one in there]
        found: dict[str, list[str]] = {}
        for path in paths:
            target = self.workspace.resolve(path)
            ground = next((o for o in there if target.is_relative_to(o.tree)), None)
            if ground is None or not target.exists():
                raise WorkspaceError(f"{path!r} is not there, for this check")
            inside = PurePosixPath(target.relative_to(ground.tree)).as_posix()
            found.setdefault(ground.name, []).append(inside)
        return [(one, found[one.name]) for one in there if one.name in found]

    def _others(self, ground: Ground) -> list[Ground]:
        return [one for one in self.grounds if one is not ground]

    def _result(
        self, name: str, ground: Ground, command: str, *, whole: bool
    ) -> CheckResult:
        runner = self.runner
        comparing = Comparing(
            name=name,
            ground=ground,
            command=command,
            baseline=self.baseline,
            whole=whole,
        )
        if failed := runner.prepared(ground):
            by = "setup" if failed.by == "exit" else failed.by
            return comparing.failed(replace(failed, by=by), None)
        ended = runner.run(ground, shell(command), others=self._others(ground))
        return comparing.result(ended)
