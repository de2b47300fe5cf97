"""The workspace: the only place that the crew can read and write.

Paths come from models and count as hostile: nothing leads out, and nothing touches
`.git`, whose content would make git run what somebody else chose.
"""

import errno
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import regex

from crew import worktrees
from crew.clock import SystemClock
from crew.errors import Mistake, WorkspaceError
from crew.settings import Inputs
from crew.worktrees import SKIPPED, Change, Repository

WRITE_BYTES = 1024 * 1024
TEXT_BYTES = 4 * 1024 * 1024
READ_CHARACTERS = 100_000
LISTED = 500
FOUND = 100
SEARCHED_BYTES = 2 * 1024 * 1024
SEARCH_SECONDS = 5.0
PATTERN_CHARACTERS = 1_000
_PATH_CHARACTERS = 1_000
_NAME_BYTES = 255
# `regex` writes out what must repeat, at up to 600 bytes for one character of the
# pattern: (?:a{1000}){1000} takes 270 MB to compile.
_WRITTEN_OUT = 100_000
_COUNT = regex.compile(r"(\)?)\{([0-9]+)(?:,[0-9]*)?\}")
# Recursion fills half a gigabyte a second until the time is up.
_RECURSION = regex.compile(r"\(\?(?:R|&|P>|[+-]?[0-9])")
# Comments, and the spaces of a verbose pattern, may part what belongs together.
_COMMENT = regex.compile(r"\(\?#[^)]*\)|\s|#[^\n]*")
# What some file systems leave out of names, so that `.g<joiner>it` is `.git`.
_IGNORED = regex.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")


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
    try:
        parts = urlsplit(image)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:  # such as a broken IPv6 address
        return False


def _image_problem(given: str) -> str | None:
    if is_address(given):
        return None
    if "://" in given:
        return "only http:// and https:// addresses are allowed"
    path = Path(given)
    if not path.is_file():
        return "no such file" if not path.exists() else "it is not a file"
    # Imported here: most runs have no images and need no Pillow.
    from crew.images import IMAGE_BYTES, NotAnImage, identify

    try:
        with path.open("rb") as file:
            identify(file.read(IMAGE_BYTES + 1))
    except NotAnImage as exc:
        return str(exc)
    except OSError as exc:
        return str(exc.strerror)
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
                top = worktrees.top_level(source) or source
                name = _unused(root, top.name.removesuffix(".git"))
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
                    submodules=tuple(entry["submodules"]),
                )
                for entry in known["repositories"]
            )
        except (OSError, ValueError, KeyError, TypeError) as exc:
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
        given = PurePosixPath(_checked(path))
        root = self.root.resolve()
        try:
            target = (root / given).resolve()
        except (OSError, RuntimeError):  # a loop of symbolic links
            raise WorkspaceError(f"{path!r} cannot be followed") from None
        if not target.is_relative_to(root):
            raise WorkspaceError(f"{path!r} is outside the workspace")
        inside = target.relative_to(root)
        if any(_is_git(part) for part in (*given.parts, *inside.parts)):
            raise WorkspaceError(f"{path!r}: .git is out of bounds")
        return target

    def content(self, path: str, *, limit: int = TEXT_BYTES) -> bytes:
        """The first `limit` bytes of a file. Raises WorkspaceError."""
        return self._content(self.resolve(path), path, limit)

    def read(self, path: str, *, start_line: int = 1, line_count: int = 400) -> str:
        """Lines of a text file, `start_line` counting from 1; a last line tells how
        many follow. Raises WorkspaceError."""
        raw = self.content(path, limit=TEXT_BYTES + 1)
        lines = _lines(_decoded(raw[:TEXT_BYTES], path))
        first = max(0, start_line - 1)
        shown = _fitting(lines[first : first + max(1, line_count)])
        text = "".join(lines[first : first + shown])
        left = len(lines) - first - shown
        notes = []
        if len(text) > READ_CHARACTERS:
            notes.append(f"this line is cut after {READ_CHARACTERS} characters")
        if left > 0:
            more = f"{left} more line{'s' if left > 1 else ''}"
            notes.append(f"{more}; ask with start_line={first + shown + 1}")
        if len(raw) > TEXT_BYTES:
            notes.append(f"what follows the first {TEXT_BYTES} bytes cannot be read")
        text = text[:READ_CHARACTERS]
        if notes and text and not text.endswith("\n"):
            text += "\n"
        return text + "\n".join(f"... {note}" for note in notes)

    def write(self, path: str, content: str) -> int:
        """Write a text file whole, atomically; makes its directories. Returns bytes
        written. Raises WorkspaceError."""
        target = self.resolve(path)
        try:
            raw = content.encode("utf-8")
        except UnicodeEncodeError:
            raise WorkspaceError(f"{path!r}: the content is not Unicode") from None
        if len(raw) > WRITE_BYTES:
            raise WorkspaceError(f"{path!r}: over {WRITE_BYTES} bytes")
        if target == self.root.resolve():
            raise WorkspaceError(f"{path!r} is not a file")
        if any(worktrees.loses(repository, target) for repository in self.repositories):
            raise WorkspaceError(f"{path!r}: nothing in a submodule would be kept")
        try:
            with self._directory(target.parent, make=True) as where:
                _replace(where, target.name, raw)
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
        root = self.root.resolve()
        return sorted(_shown(path.relative_to(root)) for path in self._walk(directory))

    def search(self, pattern: str, directory: str = ".") -> list[str]:
        """Lines that match a regular expression, as `path:line: text`. Raises
        WorkspaceError; a slow expression is one."""
        wanted = _compiled(pattern)
        clock = SystemClock()
        until = clock.monotonic() + SEARCH_SECONDS
        root = self.root.resolve()
        found: list[str] = []
        for path in sorted(self._walk(directory)):
            name = _shown(path.relative_to(root))
            try:
                raw = self._content(path, name, SEARCHED_BYTES + 1)
                text = _decoded(raw, name) if len(raw) <= SEARCHED_BYTES else ""
            except WorkspaceError:  # not text, or gone: nothing to find in it
                continue
            for number, line in enumerate(_lines(text), 1):
                left = until - clock.monotonic()
                if left <= 0:
                    return [*found, "... the search takes too long; name a directory"]
                if _matches(wanted, line, left):
                    found.append(f"{name}:{number}: {line.strip()[:200]}")
                if len(found) > FOUND:
                    return [*found[:FOUND], f"... only the first {FOUND} are shown"]
        return found

    def _walk(self, directory: str) -> Iterator[Path]:
        top = self.resolve(directory)
        with suppress(OSError):  # out of reach
            if top.is_dir():
                return _files(top)
        raise WorkspaceError(f"{directory!r} is not a directory")

    @contextmanager
    def _directory(self, directory: Path, *, make: bool = False) -> Iterator[int]:
        """A handle of a resolved directory, reached without following a symbolic
        link: one put there since is an error (OSError)."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        root = self.root.resolve()
        handle = os.open(root, flags)
        try:
            for part in directory.relative_to(root).parts:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, dir_fd=handle)
                inner = os.open(part, flags, dir_fd=handle)
                os.close(handle)
                handle = inner
            yield handle
        finally:
            os.close(handle)

    def _content(self, target: Path, path: str, limit: int) -> bytes:
        # Not blocking: a FIFO would wait for a writer.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        if target == self.root.resolve():
            raise WorkspaceError(f"{path!r} is not a file")
        try:
            with self._directory(target.parent) as where:
                handle = os.open(target.name, flags, dir_fd=where)
            try:
                if not stat.S_ISREG(os.fstat(handle).st_mode):
                    raise WorkspaceError(f"{path!r} is not a file")
                with open(handle, "rb", closefd=False) as file:
                    return file.read(limit)
            finally:
                os.close(handle)
        except FileNotFoundError:
            raise WorkspaceError(f"{path!r}: no such file") from None
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


def _checked(path: str) -> str:
    """A path that the system can be asked about."""
    if len(path) > _PATH_CHARACTERS or "\0" in path:
        raise WorkspaceError("that is not a path")
    try:
        raw = path.encode("utf-8")
    except UnicodeEncodeError:
        raise WorkspaceError(f"{path!r} is not Unicode") from None
    if any(len(part) > _NAME_BYTES for part in raw.split(b"/")):
        raise WorkspaceError("a name in that path is too long")
    return path.strip() or "."


def _is_git(part: str) -> bool:
    """Whether a component names `.git` on any file system."""
    # A backslash parts names on some; git refuses to commit such a `.git` on all.
    return any(
        name.partition(":")[0].rstrip(". ") == ".git" or name.startswith("git~")
        for name in _IGNORED.sub("", part).casefold().split("\\")
    )


def _unused(directory: Path, name: str) -> str:
    """A name that is not taken there, nor reserved for the images."""
    stem = name = "repository" if not name or _is_git(name) else name
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


def _files(top: Path) -> Iterator[Path]:
    for where, directories, names in os.walk(top):
        directories[:] = [
            name for name in directories if name not in SKIPPED and not _is_git(name)
        ]
        for name in names:
            path = Path(where) / name
            with suppress(OSError):  # it is gone, or out of reach
                if not _is_git(name) and stat.S_ISREG(path.lstat().st_mode):
                    yield path


def _shown(path: Path) -> str:
    """A path as text; a name that is not Unicode cannot be told to a model."""
    return str(path).encode("utf-8", errors="replace").decode("utf-8")


def _decoded(raw: bytes, path: str) -> str:
    if b"\0" in raw:
        raise WorkspaceError(f"{path!r} is not text")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        # A character that the limit cut in two is no fault of the text.
        if exc.reason == "unexpected end of data" and len(raw) >= TEXT_BYTES:
            return raw[: exc.start].decode("utf-8")
        raise WorkspaceError(f"{path!r} is not text") from None


def _lines(text: str) -> list[str]:
    """The lines as editors and compilers count them: `splitlines` also splits at
    form feeds and others."""
    lines = text.split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def _fitting(lines: list[str]) -> int:
    """How many of the lines can be shown at once; one, where the first is too long."""
    size = 0
    for number, line in enumerate(lines):
        size += len(line)
        if size > READ_CHARACTERS:
            return max(1, number)
    return len(lines)


def _replace(where: int, name: str, raw: bytes) -> None:
    """Put a file in the place of a name: a link put there meanwhile is not followed."""
    try:
        found = os.stat(name, dir_fd=where, follow_symlinks=False).st_mode
    except FileNotFoundError:
        found = stat.S_IFREG | 0o644
    if not stat.S_ISREG(found):
        raise OSError(errno.EINVAL, "it is not a file")
    part = f".crew-{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    handle = os.open(part, flags, 0o600, dir_fd=where)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            os.fchmod(file.fileno(), found & 0o777)
        os.replace(part, name, src_dir_fd=where, dst_dir_fd=where)
    except BaseException:
        os.unlink(part, dir_fd=where)
        raise


def _compiled(pattern: str) -> "regex.Pattern[str]":
    if len(pattern) > PATTERN_CHARACTERS:
        raise WorkspaceError(f"a pattern has at most {PATTERN_CHARACTERS} characters")
    for plain in (pattern, _COMMENT.sub("", pattern)):
        if _RECURSION.search(plain):
            raise WorkspaceError("a pattern cannot call itself")
        if _written_out(plain) > _WRITTEN_OUT:
            raise WorkspaceError("the counts of that pattern multiply to too much")
    try:
        return regex.compile(pattern)
    except Exception as exc:
        # A pattern that nobody meant makes `regex` trip anywhere: RecursionError,
        # OverflowError, RuntimeError("invalid RE code"), ...
        what = str(exc) if isinstance(exc, regex.error) else "it is too complicated"
        raise WorkspaceError(f"{pattern!r} is no regular expression: {what}") from None


def _written_out(pattern: str) -> int:
    """About how long a pattern is without counts, at most: the counts of groups
    multiply, those of single characters cannot."""
    size, longest = len(pattern), 1
    for group, count in _COUNT.findall(pattern):
        if group:
            size *= max(1, int(count))
        else:
            longest = max(longest, int(count))
    return size * longest


def _matches(wanted: "regex.Pattern[str]", line: str, seconds: float) -> bool:
    try:
        return wanted.search(line[:2_000].rstrip("\n"), timeout=seconds) is not None
    except TimeoutError:
        raise WorkspaceError("that expression takes too long") from None
    except (MemoryError, RecursionError):
        raise WorkspaceError("that expression takes too much memory") from None
