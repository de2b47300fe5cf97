"""The workspace: the only place that the crew can read and write.

Paths come from models and count as hostile: nothing leads out, and nothing touches
`.git`, whose content would make git run what somebody else chose.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import crew.workspace.files as files
import crew.workspace.paths as paths
import crew.workspace.record as record
import crew.workspace.ripgrep as ripgrep
import crew.workspace.search as search
import crew.workspace.worktrees as worktrees
import crew.workspace.written as written
from crew.errors import WorkspaceError, file_problem
from crew.settings import Inputs
from crew.workspace.difference import Change, change
from crew.workspace.edits import Edit, Edited, apply
from crew.workspace.notices import notices
from crew.workspace.outline import Outline
from crew.workspace.placing import placed, unused
from crew.workspace.secrets import is_private_key, is_secret
from crew.workspace.text import TEXT_BYTES, decoded, excerpt, shown
from crew.workspace.worktrees import Repository

WRITE_BYTES = 1024 * 1024
_HEAD_BYTES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A directory with the run's repositories and images.

    `images` are the names that the crew uses: paths in here, or addresses.
    """

    root: Path
    repositories: tuple[Repository, ...] = ()
    images: tuple[str, ...] = ()
    _written: set[str] = field(default_factory=set)
    _created: set[str] = field(default_factory=set)
    known_outlines: dict[str, Outline] = field(default_factory=dict)
    """What `repo_map` parsed, by content."""

    @classmethod
    def prepare(
        cls,
        root: Path,
        run: str,
        inputs: Inputs,
        *,
        own: Sequence[Path] = (),
        rehearsal: bool = False,
    ) -> "Workspace":
        """Make the workspace of a new run; no copy takes along `own`, directories of
        ours, and a `rehearsal` leaves nothing in a repository. Raises WorkspaceError,
        and then nothing of it is left."""
        root = root.absolute()
        try:
            root.mkdir(parents=True)
        except OSError as exc:
            what = file_problem(exc)
            raise WorkspaceError(f"{root} cannot be made: {what}") from exc
        made: list[Repository] = []
        try:
            for given in inputs.repositories:
                source = Path(given).resolve()
                top = worktrees.top_level(source) or source
                name = unused(root, top.name.removesuffix(".git"))
                made.append(
                    worktrees.add(
                        source, root / name, name, run, own=own, rehearsal=rehearsal
                    )
                )
            images = tuple(placed(root, image) for image in inputs.images)
            workspace = cls(root=root, repositories=tuple(made), images=images)
            record.remember(root, made, images)
        except BaseException:
            cls(root=root, repositories=tuple(made)).discard()
            raise
        return workspace

    @classmethod
    def reopen(cls, root: Path, run: str) -> "Workspace":
        """The workspace of a run that goes on. Raises WorkspaceError if it is gone."""
        workspace = cls.recorded(root, run)
        for repository in workspace.repositories:
            if not repository.path.is_dir():
                raise WorkspaceError(f"the workspace {repository.path} is gone")
            worktrees.take(repository)
        return workspace

    @classmethod
    def recorded(cls, root: Path, run: str) -> "Workspace":
        """The workspace of a run as it was recorded; nothing is changed, and it need
        not be there any more. Raises WorkspaceError."""
        root = root.absolute()
        repositories, images = record.recall(root, run)
        return cls(
            root=root,
            repositories=repositories,
            images=images,
            _written=written.noted(root),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The directories of the repositories, as the crew names them."""
        return tuple(repository.name for repository in self.repositories)

    @property
    def notices(self) -> tuple[str, ...]:
        """What a person may want to know about the repositories."""
        return tuple(line for one in self.repositories for line in notices(one))

    def commit(self, message: str) -> None:
        """Commit what changed in each repository, on the run's branch."""
        for repository in self.repositories:
            worktrees.commit(repository, message)

    def finish(self, message: str = "crew: work in progress") -> None:
        """Commit the rest and let go of the branches; the files stay."""
        self.commit(message)
        for repository in self.repositories:
            worktrees.release(repository)

    def changes(self) -> list[Change]:
        """What the run changed in each repository."""
        return [change(repository, self._written) for repository in self.repositories]

    def discard(self) -> None:
        """Take everything away again."""
        for repository in self.repositories:
            worktrees.remove(repository)
        shutil.rmtree(self.root, ignore_errors=True)
        record.path_of(self.root).unlink(missing_ok=True)
        written.forget(self.root)
        with suppress(OSError):
            self.root.parent.rmdir()

    def resolve(self, path: str) -> Path:
        """Where a path that a model gave leads, inside. Raises WorkspaceError."""
        return paths.resolve(self.root, path)

    def content(self, path: str, *, limit: int = TEXT_BYTES) -> bytes:
        """The first `limit` bytes of a file. Raises WorkspaceError."""
        target = self.resolve(path)
        raw = files.content(self.root, target, path, limit)
        if self._is_withheld(target, raw):
            raise WorkspaceError(f"{path!r} looks like a secret; no tool reads those")
        return raw

    def read(
        self,
        path: str,
        *,
        start_line: int = 1,
        line_count: int = 400,
        numbered: bool = False,
    ) -> str:
        """Lines of a text file, `start_line` counting from 1; a last line says how
        many follow. Raises WorkspaceError."""
        raw = self.content(path, limit=TEXT_BYTES + 1)
        return excerpt(raw, path, start_line, line_count, numbered=numbered)

    def write(self, path: str, content: str) -> int:
        """Write a text file whole, atomically; makes its directories. Returns bytes
        written. Raises WorkspaceError."""
        return self._put(path, content, WRITE_BYTES)

    def edit(self, path: str, edits: Sequence[Edit]) -> Edited:
        """Change places of a text file, all of them or none; all else in it stays, and
        so does its mode. Raises WorkspaceError."""
        raw = self.content(path, limit=TEXT_BYTES + 1)
        if len(raw) > TEXT_BYTES:
            raise WorkspaceError(f"{path!r}: over {TEXT_BYTES} bytes; it is not edited")
        try:
            edited = apply(decoded(raw, path), edits)
        except WorkspaceError as exc:
            raise WorkspaceError(f"{path!r}: {exc}") from None
        self._put(path, edited.text, TEXT_BYTES)
        return edited

    def _put(self, path: str, content: str, most: int) -> int:
        target = self.resolve(path)
        try:
            raw = content.encode("utf-8")
        except UnicodeEncodeError:
            raise WorkspaceError(f"{path!r}: the content is not Unicode") from None
        if b"\0" in raw:
            raise WorkspaceError(f"{path!r}: the content is not text")
        if len(raw) > most:
            raise WorkspaceError(f"{path!r}: over {most} bytes")
        if any(worktrees.loses(repository, target) for repository in self.repositories):
            raise WorkspaceError(f"{path!r}: nothing in a submodule would be kept")
        is_new = not target.exists()
        files.replace(self.root, target, path, raw)
        if is_new:
            self._created.add(self._inside(target))
        if (name := self._inside(target)) not in self._written:
            self._written.add(name)
            written.note(self.root, name)
        return len(raw)

    def is_given(self, path: str) -> bool:
        """Whether a file was there before the run. Raises WorkspaceError."""
        target = self.resolve(path)
        if not target.is_file() or self._inside(target) in self._created:
            return False
        for repository in self.repositories:
            if repository.base and target.is_relative_to(repository.path.resolve()):
                # An earlier part of the run may have created it.
                return worktrees.held(repository, target)
        return True

    def touched(self) -> list[str]:
        """The files that were written here, sorted."""
        return sorted(self._written)

    def files(self, directory: str = ".") -> list[str]:
        """The files below a directory, sorted; what git keeps, and what tools
        install, is left out, and so is what looks like a secret. Raises
        WorkspaceError."""
        root, found = self.root.resolve(), self._walk(directory)
        return sorted(shown(str(path.relative_to(root))) for path in found)

    def search(self, pattern: str, directory: str = ".") -> list[str]:
        """Lines that match a regular expression, as `path:line: text`, in the files
        that git would not ignore. Raises WorkspaceError."""
        top = self._directory(directory)
        return search.matches(
            pattern,
            self.root.resolve(),
            top,
            above=self._in_worktree(top),
            is_readable=self._is_readable,
        )

    def source_files(self, directory: str = ".") -> list[str]:
        """As `files`, without those that git would ignore. Raises WorkspaceError."""
        top, root = self._directory(directory), self.root.resolve()
        found = ripgrep.files(root, top, above=self._in_worktree(top))
        names = (os.fsdecode(path) for path, _ in found.lines)
        return [shown(name) for name in names if not self._is_withheld(root / name)]

    def _directory(self, directory: str) -> Path:
        top = self.resolve(directory)
        with suppress(OSError):  # out of reach
            if top.is_dir():
                return top
        raise WorkspaceError(f"{directory!r} is not a directory")

    def _in_worktree(self, directory: Path) -> bool:
        return any(
            one.branch is not None and directory.is_relative_to(one.path.resolve())
            for one in self.repositories
        )

    def _is_readable(self, target: Path) -> bool:
        """Whether a file that a search found may be shown: no secret, no link."""
        name = self._inside(target)
        if any(paths.is_git(part) for part in Path(name).parts):
            return False
        try:
            head = files.content(self.root, target, name, _HEAD_BYTES)
        except WorkspaceError:
            return False
        return not self._is_withheld(target, head)

    def _walk(self, directory: str) -> Iterator[Path]:
        found = paths.files_below(self._directory(directory))
        return (path for path in found if not self._is_withheld(path))

    def _inside(self, target: Path) -> str:
        return str(target.relative_to(self.root.resolve()))

    def _is_withheld(self, target: Path, raw: bytes = b"") -> bool:
        """Whether a file looks like a secret of the user's; what the run wrote is
        none."""
        inside = self._inside(target)
        looks = is_secret(Path(inside)) or is_private_key(raw)
        return looks and inside not in self._written
