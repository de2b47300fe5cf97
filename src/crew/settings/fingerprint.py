"""One hash for a configuration: which YAML files a run was made with."""

import hashlib
from contextlib import suppress
from pathlib import Path

from crew.settings.files import Files


def fingerprint(files: Files) -> str:
    """The SHA-256 over the names and the content of the files that were read."""
    found = hashlib.sha256()
    for path in sorted(Path(one.file) for one in files.all() if one.data is not None):
        with suppress(OSError):
            content = path.read_bytes()
            found.update(f"{path.name} {len(content)}\n".encode() + content)
    return found.hexdigest()
