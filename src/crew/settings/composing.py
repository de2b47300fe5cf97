"""A YAML file as nodes, or the one mistake that keeps it from being read."""

import unicodedata
from collections.abc import Mapping
from pathlib import Path

import yaml

from crew.settings.bounds import DEPTH, VALUES, Budget, TooLarge, file_content
from crew.settings.wording import broken_yaml

_BASE: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BASE):  # type: ignore[misc]  # which of both, one machine knows
    """Stops where a file surely has too many values: keys and values are nodes."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._nodes = Budget(left=2 * VALUES)

    def resolve(self, kind: type[yaml.Node], value: str, implicit: object) -> str:
        self._nodes.take()
        tag: str = super().resolve(kind, value, implicit)
        return tag


class Unreadable(Exception):
    """The file cannot be read as a mapping. Lines count from 1."""

    def __init__(self, line: int | None, key: str, message: str) -> None:
        super().__init__(message)
        self.line, self.key, self.message = line, key, message


def compose(
    path: Path, *, paths: bool, known: Mapping[str, bytes] | None = None
) -> yaml.MappingNode:
    """The mapping of a file. With `paths` its text is left as it is; it is not read
    again where the files of its directory are `known`. Raises Unreadable."""
    text = _text(path, known)
    text = text if paths else unicodedata.normalize("NFC", text)
    try:
        root = yaml.compose(text, Loader=_Loader)
    except TooLarge as exc:
        raise Unreadable(1, "", str(exc)) from exc
    except yaml.YAMLError as exc:
        raise Unreadable(*broken_yaml(exc, text)) from exc
    except RecursionError:  # PyYAML without libyaml, which has a bound of its own
        raise Unreadable(1, "", f"nested more than {DEPTH} deep") from None
    if root is None or (root.tag.endswith(":null") and not root.value):
        raise Unreadable(1, "", "the file is empty")
    if not isinstance(root, yaml.MappingNode):
        line = root.start_mark.line + 1
        found = "a list" if isinstance(root, yaml.SequenceNode) else "a text"
        raise Unreadable(line, "", f"found {found}, expected a mapping (key: value)")
    return root


def _text(path: Path, known: Mapping[str, bytes] | None) -> str:
    try:
        content = file_content(path) if known is None else known[path.name]
        return content.decode("utf-8-sig")
    except (FileNotFoundError, KeyError):
        raise Unreadable(None, "", "file not found") from None
    except (TooLarge, OSError) as exc:
        reason = str(exc) if isinstance(exc, TooLarge) else exc.strerror
        raise Unreadable(None, "", f"cannot be read: {reason}") from exc
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        raise Unreadable(line, "", "not UTF-8; save the file as UTF-8") from exc
