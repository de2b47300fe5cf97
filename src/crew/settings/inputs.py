"""What one run works on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What one run works on. Images are paths or http(s) addresses. `values` are
    further placeholders of the task descriptions. `here`: without a repository it is
    the current one."""

    request: str
    repositories: tuple[str, ...] = ()
    here: bool = False
    images: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)


def at_home(inputs: Inputs) -> Inputs:
    """The inputs with the `~` of their paths replaced."""
    return replace(
        inputs,
        repositories=tuple(_at_home(path) for path in inputs.repositories),
        images=tuple(_at_home(image) for image in inputs.images),
    )


def _at_home(path: str) -> str:
    if not path.startswith("~"):
        return path
    try:
        return str(Path(path).expanduser())
    except RuntimeError:  # no such user, or one without a home
        return path


def is_address(image: str) -> bool:
    """Whether an image is named by an http(s) address."""
    try:
        parts = urlsplit(image)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:  # such as a broken IPv6 address
        return False
