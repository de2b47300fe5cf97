"""The workspace: the only place that the crew can read and write.

Paths come from models and count as hostile: nothing leads out, and nothing touches
`.git`, whose content would make git run what somebody else chose.
"""

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import regex

from crew import worktrees
from crew.errors import Mistake, WorkspaceError
from crew.settings import Inputs
from crew.worktrees import SKIPPED, Change, Repository

WRITE_BYTES = 1024 * 1024
READ_CHARACTERS = 100_000
LISTED = 500
FOUND = 100
SEARCHED_BYTES = 2 * 1024 * 1024
_SEARCH_SECONDS = 2.0


def check_inputs(inputs: Inputs, *, file: str = "arguments") -> list[Mistake]:
    """What is wrong with the repositories and images of a run. Writes nothing."""
    mistakes = []
    for given in inputs.repositories:
        path = Path(given)
        found = "no such directory" if not path.exists() else "it is not a directory"
        if not path.is_dir():
            mistakes.append(_mistake(file, "repositories", f"{given!r}: {found}"))
    for given in inputs.images:
        if problem := _image_problem(given):
            mistakes.append(_mistake(file, "images", f"{given!r}: {problem}"))
    return mistakes


def is_address(image: str) -> bool:
    """Whether an image is named by an http(s) address."""
    parts = urlsplit(image)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _image_problem(given: str) -> str | None:
    if is_address(given):
        return None
    if "://" in given:
        return "only http:// and https:// addresses are allowed"
    path = Path(given)
    if not path.is_file():
        return "no such file" if not path.exists() else "it is not a file"
    # Imported here: most runs have no images and need no Pillow.
    from crew.images import NotAnImage, identify

    try:
        identify(path)
    except NotAnImage as exc:
        return str(exc)
    return None


def _mistake(file: str, key: str, message: str) -> Mistake:
    return Mistake(file=file, line=None, key=key, message=message)


def hide_from_git(directory: Path) -> None:
    """Keep a directory of ours out of the status of a repository around it."""
    directory.mkdir(parents=True, exist_ok=True)
    marker = directory / ".gitignore"
    if not marker.exists():
        marker.write_text("*\n", encoding="utf-8")


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
    def prepare(cls, root: Path, run: str, inputs: Inputs) -> "Workspace":
        """Make the workspace of a new run. Raises WorkspaceError, and then nothing of
        it is left."""
        root = root.absolute()
        try:
            root.mkdir(parents=True)
        except OSError as exc:
            raise WorkspaceError(f"{root} cannot be made: {exc}") from exc
        made: list[Repository] = []
        try:
            for given in inputs.repositories:
                source = Path(given).resolve()
                name = _unused(root, source.name or "repository")
                made.append(worktrees.add(source, root / name, name, run))
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
        root = root.absolute()
        try:
            known = json.loads(_record(root).read_text(encoding="utf-8"))
            repositories = tuple(
                Repository(
                    name=entry["name"],
                    source=Path(entry["source"]),
                    path=Path(entry["path"]),
                    branch=entry["branch"],
                    base=entry["base"],
                )
                for entry in known["repositories"]
            )
        except (OSError, ValueError, KeyError) as exc:
            raise WorkspaceError(f"the workspace of run {run} is gone: {exc}") from exc
        for repository in repositories:
            if not repository.path.is_dir():
                raise WorkspaceError(f"the workspace {repository.path} is gone")
            worktrees.take(repository)
        return cls(root=root, repositories=repositories, images=tuple(known["images"]))

    @property
    def names(self) -> tuple[str, ...]:
        """The directories of the repositories, as the crew names them."""
        return tuple(repository.name for repository in self.repositories)

    def commit(self, message: str) -> None:
        """Commit what changed in each repository, on the run's branch."""
        for repository in self.repositories:
            worktrees.commit(repository, message)

    def finish(self) -> None:
        """Commit the rest and let go of the branches; the files stay."""
        self.commit("crew: work in progress")
        for repository in self.repositories:
            worktrees.release(repository)

    def changes(self) -> list[Change]:
        """What the run changed in each repository."""
        return [worktrees.change(repository) for repository in self.repositories]

    def discard(self) -> None:
        """Take everything away again."""
        for repository in self.repositories:
            worktrees.remove(repository)
        shutil.rmtree(self.root, ignore_errors=True)
        _record(self.root).unlink(missing_ok=True)
        with suppress(OSError):
            self.root.parent.rmdir()

    def resolve(self, path: str) -> Path:
        """Where a path that a model gave leads, inside. Raises WorkspaceError."""
        if "\0" in path or len(path) > 1_000:
            raise WorkspaceError("that is not a path")
        given = PurePosixPath(path.strip() or ".")
        try:
            target = (self.root / given).resolve()
        except (OSError, RuntimeError):  # a loop of symbolic links
            raise WorkspaceError(f"{path!r} cannot be followed") from None
        if not target.is_relative_to(self.root.resolve()):
            raise WorkspaceError(f"{path!r} is outside the workspace")
        inside = target.relative_to(self.root.resolve())
        if any(_is_git(part) for part in (*given.parts, *inside.parts)):
            raise WorkspaceError(f"{path!r}: .git is out of bounds")
        return target

    def read(self, path: str, *, start_line: int = 1, line_count: int = 400) -> str:
        """Lines of a text file, `start_line` counting from 1. Raises WorkspaceError."""
        text = self._text(self.resolve(path), path)
        lines = text.splitlines(keepends=True)
        first = max(0, start_line - 1)
        shown = "".join(lines[first : first + max(1, line_count)])[:READ_CHARACTERS]
        left = len(lines) - first - shown.count("\n")
        if left > 1:
            shown += f"\n... {left} more lines; ask with start_line"
        return shown

    def write(self, path: str, content: str) -> int:
        """Write a text file whole, atomically; makes its directories. Returns bytes
        written. Raises WorkspaceError."""
        raw = content.encode("utf-8", errors="replace")
        if len(raw) > WRITE_BYTES:
            raise WorkspaceError(f"{path!r}: over {WRITE_BYTES} bytes")
        target = self.resolve(path)
        if target == self.root.resolve() or (
            target.exists() and not stat.S_ISREG(target.stat().st_mode)
        ):
            raise WorkspaceError(f"{path!r} is not a file")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            mode = target.stat().st_mode if target.exists() else 0o644
            # The new file replaces the name: a link put there meanwhile is not
            # followed.
            handle, part = tempfile.mkstemp(dir=target.parent, prefix=".crew-")
            with os.fdopen(handle, "wb") as file:
                file.write(raw)
            Path(part).chmod(stat.S_IMODE(mode))
            Path(part).replace(target)
        except OSError as exc:
            raise WorkspaceError(f"{path!r}: {exc.strerror}") from None
        self._written.add(str(target.relative_to(self.root.resolve())))
        return len(raw)

    def touched(self) -> list[str]:
        """The files that were written here, sorted."""
        return sorted(self._written)

    def files(self, directory: str = ".") -> list[str]:
        """The files below a directory, sorted; what git keeps, and what tools
        install, is left out. Raises WorkspaceError."""
        top = self.resolve(directory)
        if not top.is_dir():
            raise WorkspaceError(f"{directory!r} is not a directory")
        root = self.root.resolve()
        return sorted(str(path.relative_to(root)) for path in _files(top))

    def search(self, pattern: str, directory: str = ".") -> list[str]:
        """Lines that match a regular expression, as `path:line: text`. Raises
        WorkspaceError."""
        try:
            wanted = regex.compile(pattern)
        except regex.error as exc:
            raise WorkspaceError(
                f"{pattern!r} is no regular expression: {exc}"
            ) from None
        found: list[str] = []
        for name in self.files(directory):
            path = self.root / name
            if path.stat().st_size > SEARCHED_BYTES:
                continue
            with suppress(WorkspaceError):
                found.extend(_matches(wanted, name, self._text(path, name)))
            if len(found) >= FOUND:
                return [*found[:FOUND], f"... only the first {FOUND} are shown"]
        return found

    def _text(self, target: Path, path: str) -> str:
        if not target.is_file():  # a FIFO or a device would block, or never end
            raise WorkspaceError(f"{path!r}: no such file")
        try:
            return target.read_bytes()[: 4 * READ_CHARACTERS * 10].decode("utf-8")
        except UnicodeDecodeError:
            raise WorkspaceError(f"{path!r} is not text") from None
        except OSError as exc:
            raise WorkspaceError(f"{path!r}: {exc.strerror}") from None

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
        _record(self.root).write_text(json.dumps(known, indent=2), encoding="utf-8")


def _record(root: Path) -> Path:
    return root.with_suffix(".json")


def _is_git(part: str) -> bool:
    """Whether a component names `.git` on any file system."""
    plain = part.casefold().rstrip(". ").partition(":")[0]
    return plain == ".git" or plain.startswith("git~")


def _unused(directory: Path, name: str) -> str:
    """A name that is not taken there, nor reserved for the images."""
    stem, count = name, 1
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


def _files(top: Path) -> Iterator[Path]:
    for where, directories, names in os.walk(top):
        directories[:] = [name for name in directories if name not in SKIPPED]
        for name in names:
            path = Path(where) / name
            if not _is_git(name) and path.is_file() and not path.is_symlink():
                yield path


def _matches(wanted: "regex.Pattern[str]", name: str, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        try:
            if wanted.search(line[:2_000], timeout=_SEARCH_SECONDS):
                yield f"{name}:{number}: {line.strip()[:200]}"
        except TimeoutError:
            raise WorkspaceError("that expression takes too long") from None
