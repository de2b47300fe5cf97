"""Reading a workspace for its map, within bounds of files and bytes."""

from crew.errors import WorkspaceError
from crew.workspace.outline import is_outlined, outlines
from crew.workspace.repo_map import Source, draw, words
from crew.workspace.workspace import Workspace

TOKENS = 2_000
MOST_TOKENS = 8_000
READ_FILES = 3_000
READ_BYTES = 16 * 1024 * 1024
FILE_BYTES = 256 * 1024
"""A larger source is generated, or data: it is named without its definitions."""


def map_of(workspace: Workspace, directory: str, tokens: int) -> str:
    """The map of a directory; a last line names what was not read. Raises
    WorkspaceError."""
    files = workspace.source_files(directory)
    wanted = [name for name in files if is_outlined(name)]
    texts: dict[str, str] = {}
    size = 0
    for name in wanted[:READ_FILES]:
        try:
            raw = workspace.content(name, limit=FILE_BYTES + 1)
        except WorkspaceError:  # a secret, or gone
            continue
        if len(raw) <= FILE_BYTES and b"\0" not in raw:
            size += len(raw)
            if size > READ_BYTES:
                break
            texts[name] = raw.decode("utf-8", errors="replace")
    found = outlines(texts, workspace.known_outlines)
    sources = {
        name: Source(outline=found[name], words=words(text))
        for name, text in texts.items()
    }
    drawn = draw(files, sources, tokens)
    if len(wanted) > READ_FILES or size > READ_BYTES:
        drawn += "... too many sources to read all of them; name a directory\n"
    return drawn
