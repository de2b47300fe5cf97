"""The text of a file, in lines: decoded, and shown a part at a time."""

from crew.errors import WorkspaceError

TEXT_BYTES = 4 * 1024 * 1024
READ_CHARACTERS = 100_000


def excerpt(
    raw: bytes, path: str, start_line: int, line_count: int, *, numbered: bool = False
) -> str:
    """Lines of a text, `start_line` counting from 1; a last line says how many
    follow. `raw` has one byte more than TEXT_BYTES where the file goes on. With
    `numbered`, each line has its number and a tab before it. Raises WorkspaceError."""
    lines = lines_of(decoded(raw[:TEXT_BYTES], path))
    first = max(0, start_line - 1)
    shown = _fitting(lines[first : first + max(1, line_count)])
    chosen = lines[first : first + shown]
    text = "".join(_numbered(chosen, first + 1) if numbered else chosen)
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


def shown(name: str) -> str:
    """The name of a file as text; no model can be shown one that is not Unicode."""
    return name.encode("utf-8", errors="replace").decode("utf-8")


def decoded(raw: bytes, path: str) -> str:
    """What the bytes of a file say. Raises WorkspaceError where that is no text."""
    if b"\0" in raw:
        raise WorkspaceError(f"{path!r} is not text")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        # A character that the limit cut in two is no fault of the text.
        if exc.reason == "unexpected end of data" and len(raw) >= TEXT_BYTES:
            return raw[: exc.start].decode("utf-8")
        raise WorkspaceError(f"{path!r} is not text") from None


def lines_of(text: str) -> list[str]:
    """The lines as editors and compilers count them: `splitlines` also splits at
    form feeds and others."""
    lines = text.split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def _numbered(lines: list[str], first: int) -> list[str]:
    # An edit's line ends are those of the file, whatever is shown.
    plain = (line.replace("\r\n", "\n") for line in lines)
    return [f"{number}\t{line}" for number, line in enumerate(plain, first)]


def _fitting(lines: list[str]) -> int:
    """How many of the lines can be shown at once; one, where the first is too long."""
    size = 0
    for number, line in enumerate(lines):
        size += len(line)
        if size > READ_CHARACTERS:
            return max(1, number)
    return len(lines)
