"""One hash for a configuration: which YAML files a run was made with."""

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from crew.settings.files import Files
from crew.settings.styles import BUILT_IN, Style


def fingerprint(files: Files, styles: Iterable[Style] = ()) -> str:
    """The SHA-256 over the names and the content of the files that were read, those of
    styles included."""
    found = hashlib.sha256()
    for path in sorted(Path(one.file) for one in files.all() if one.data is not None):
        with suppress(OSError):
            content = path.read_bytes()
            found.update(f"{path.name} {len(content)}\n".encode() + content)
    for style in sorted(styles, key=lambda one: one.name):
        if style.name not in BUILT_IN:
            found.update(f"{style.name} {len(style.text)}\n{style.text}".encode())
    return found.hexdigest()
