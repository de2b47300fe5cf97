"""The workspace: the only place that the crew can read and write.

Paths come from models and count as hostile: nothing leads out, and nothing touches
`.git`, whose content would make git run what somebody else chose.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import crew.workspace.files as files
import crew.workspace.paths as paths
import crew.workspace.search as search
import crew.workspace.worktrees as worktrees
import crew.workspace.written as written
from crew.errors import WorkspaceError, file_problem
from crew.settings import Inputs
from crew.settings.values import is_address
from crew.workspace.difference import Change, change
from crew.workspace.notices import notices
from crew.workspace.secrets import is_private_key, is_secret
from crew.workspace.text import TEXT_BYTES, excerpt, shown
from crew.workspace.worktrees import Repository

WRITE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A directory with the run's repositories and images.

    `images` are the names that the crew uses: paths in here, or addresses.
    """

    root: Path
    repositories: tuple[Repository, ...] = ()
    images: tuple[str, ...] = ()
    _written: set[str] = field(default_factory=set)

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
                name = _unused(root, top.name.removesuffix(".git"))
                made.append(
                    worktrees.add(
                        source, root / name, name, run, own=own, rehearsal=rehearsal
                    )
                )
            images = tuple(_placed(root, image) for image in inputs.images)
            workspace = cls(root=root, repositories=tuple(made), images=images)
            workspace._remember()
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
        try:
            known = json.loads(_record(root).read_text(encoding="utf-8"))
            repositories = tuple(map(_known, known["repositories"]))
            images = tuple(known["images"])
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise WorkspaceError(f"the workspace of run {run} is gone: {exc}") from exc
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
        _record(self.root).unlink(missing_ok=True)
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

    def read(self, path: str, *, start_line: int = 1, line_count: int = 400) -> str:
        """Lines of a text file, `start_line` counting from 1; a last line says how
        many follow. Raises WorkspaceError."""
        raw = self.content(path, limit=TEXT_BYTES + 1)
        return excerpt(raw, path, start_line, line_count)

    def write(self, path: str, content: str) -> int:
        """Write a text file whole, atomically; makes its directories. Returns bytes
        written. Raises WorkspaceError."""
        target = self.resolve(path)
        try:
            raw = content.encode("utf-8")
        except UnicodeEncodeError:
            raise WorkspaceError(f"{path!r}: the content is not Unicode") from None
        if b"\0" in raw:
            raise WorkspaceError(f"{path!r}: the content is not text")
        if len(raw) > WRITE_BYTES:
            raise WorkspaceError(f"{path!r}: over {WRITE_BYTES} bytes")
        if any(worktrees.loses(repository, target) for repository in self.repositories):
            raise WorkspaceError(f"{path!r}: nothing in a submodule would be kept")
        files.replace(self.root, target, path, raw)
        if (name := self._inside(target)) not in self._written:
            self._written.add(name)
            written.note(self.root, name)
        return len(raw)

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
        """Lines that match a regular expression, as `path:line: text`. Raises
        WorkspaceError; a slow expression is one."""
        wanted = search.compiled(pattern)
        return search.matches(wanted, self.root.resolve(), self._walk(directory))

    def _walk(self, directory: str) -> Iterator[Path]:
        top = self.resolve(directory)
        with suppress(OSError):  # out of reach
            if top.is_dir():
                found = paths.files_below(top)
                return (path for path in found if not self._is_withheld(path))
        raise WorkspaceError(f"{directory!r} is not a directory")

    def _inside(self, target: Path) -> str:
        return str(target.relative_to(self.root.resolve()))

    def _is_withheld(self, target: Path, raw: bytes = b"") -> bool:
        """Whether a file looks like a secret of the user's; what the run wrote is
        none."""
        inside = self._inside(target)
        looks = is_secret(Path(inside)) or is_private_key(raw)
        return looks and inside not in self._written

    def _remember(self) -> None:
        known = {
            "repositories": [
                {
                    name: str(value) if isinstance(value, Path) else value
                    for name, value in asdict(repository).items()
                }
                for repository in self.repositories
            ],
            "images": self.images,
        }
        record = _record(self.root)
        try:
            record.write_text(json.dumps(known, indent=2), encoding="utf-8")
        except OSError as exc:
            what = file_problem(exc)
            raise WorkspaceError(f"{record} cannot be written: {what}") from exc


def _record(root: Path) -> Path:
    return root.with_suffix(".json")


def _known(entry: Mapping[str, Any]) -> Repository:
    return Repository(
        name=entry["name"],
        source=Path(entry["source"]),
        path=Path(entry["path"]),
        branch=entry["branch"],
        base=entry["base"],
        submodules=tuple(entry["submodules"]),
        empty=tuple(entry.get("empty", ())),
        filters=tuple(entry.get("filters", ())),
        apart=bool(entry.get("apart")),
    )


def _unused(directory: Path, name: str) -> str:
    """A name that is not taken there, nor reserved for the images."""
    stem = name = "repository" if not name or paths.is_git(name) else name
    count = 1
    while (directory / name).exists() or name == "images":
        count += 1
        name = f"{stem}-{count}"
    return name


def _placed(root: Path, image: str) -> str:
    """Put an image file into the workspace; returns the name it has there."""
    if is_address(image):
        return image
    directory = root / "images"
    directory.mkdir(exist_ok=True)
    name = _unused(directory, Path(image).name)
    try:
        shutil.copyfile(image, directory / name)
    except OSError as exc:
        raise WorkspaceError(f"{image} cannot be copied: {exc.strerror}") from exc
    return f"images/{name}"
