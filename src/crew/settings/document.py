"""One YAML file as plain data that remembers its lines and collects its mistakes."""

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import yaml

from crew.errors import Mistake
from crew.settings.bounds import DEPTH, MISTAKES, Budget, TooLarge
from crew.settings.composing import Unreadable, compose
from crew.settings.environment import is_text
from crew.settings.scalars import constructed, kind_of, resolved
from crew.settings.variables import expand
from crew.texts.masking import Secrets

KeyPath = tuple[str | int, ...]
_Entries = dict[str, tuple[yaml.Node, yaml.Node]]
_MERGE = "tag:yaml.org,2002:merge"
_KEY_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")
_KEY_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|WEBHOOK", re.IGNORECASE)
_KEY_LIKE = re.compile(r"\b(?:sk-|gsk_|AIza)[\w\-]{6,}")
_KEY_CHARACTERS = 120
SECRET = "api_key"
"""The one key whose value is a secret: it is read from the environment only."""
ANCHORS = "x-"
"""How a key of the file begins that is a place for anchors, as in Docker Compose."""


class Document:
    """A YAML file, read once.

    `data` is the file as plain values, with `${VARIABLE}` replaced; None when the
    file cannot be read as a mapping, which is then among the `mistakes`. Below the
    key `as_written` each number, date, true or false is the text as it is written.
    With `paths` the text is left as it is: else a name is the same name however its
    accents are encoded. `known` are the files of its directory where these were read
    before: then nothing is read here.
    """

    def __init__(
        self,
        path: Path,
        environ: Mapping[str, str],
        *,
        as_written: str = "",
        paths: bool = False,
        known: Mapping[str, bytes] | None = None,
    ) -> None:
        self.file = str(path)
        self.mistakes: list[Mistake] = []
        self.data: dict[str, object] | None = None
        self._environ = environ
        self._as_written = as_written
        self._paths = paths
        self._entries: dict[int, _Entries] = {}
        self._open: set[int] = set()
        self._reported: set[KeyPath] = set()
        self._budget = Budget()
        self._root = self._compose(path, known)
        if self._root is not None:
            try:
                self.data = self._mapping(self._root, ())
            except TooLarge as exc:
                self.mistakes.clear()
                self._note(self._root.start_mark.line + 1, "", str(exc))
                self._root = None
            if self.data == {} and not self.mistakes:
                self._note(1, "", f"nothing but `{ANCHORS}...`, which is passed over")

    @classmethod
    def left_out(cls, path: Path) -> "Document":
        """A file that is not read: nothing is known of it, and nothing is wrong."""
        document = cls.__new__(cls)
        document.file, document.mistakes, document.data = str(path), [], None
        document._root = None
        return document

    # Where things are.

    def at(self, path: KeyPath) -> tuple[int | None, str, yaml.Node | None]:
        """The line and the printed key of `path`, and its node or the nearest above.

        Parts that a short form of the YAML leaves out are passed over.
        """
        node: yaml.Node | None = self._root
        key = ""
        line = 1 if node is not None else None
        for index, part in enumerate(path):
            if isinstance(node, yaml.MappingNode):
                deeper = f"{key}.{part}" if key else str(part)
                found = self._of(node).get(str(part))
                if found is not None:
                    line, node = found[0].start_mark.line + 1, found[1]
                    key = deeper
                elif index == len(path) - 1 and part != "":
                    return line, deeper, None
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
                node = node.value[part]
                line, key = node.start_mark.line + 1, f"{key}[{part}]"
        return line, key, node

    def names(self, *path: str) -> list[str] | None:
        """The keys of the mapping at `path`; None when there is no mapping."""
        found: object = self.data
        for part in path:
            found = found.get(part) if isinstance(found, dict) else None
        return list(found) if isinstance(found, dict) else None

    def raw(self, path: KeyPath) -> str:
        """The text at `path` as it is written, variables and all."""
        node = self.at(path)[2]
        return node.value if isinstance(node, yaml.ScalarNode) else ""

    # What is wrong.

    def reject(self, path: KeyPath, message: str) -> None:
        """Note a mistake; one that follows from another at the same place is left
        out. Values of variables are never shown."""
        if any(path[:length] in self._reported for length in range(1, len(path) + 1)):
            return
        self._reported.add(path)
        raw = self.raw(path)
        if "${" in raw:
            rule = message.partition("allowed: ")[2]
            message = f"the value of {raw} does not fit" + (
                f"; allowed: {rule}" if rule else ""
            )
        line, key, _ = self.at(path)
        self._note(line, key, message)

    def doubt(self, path: KeyPath) -> None:
        """Note nothing more at `path`: it would only follow from what is known."""
        self._reported.add(path)

    def reject_key(self, path: KeyPath, message: str) -> None:
        """Note that a key should not be there; what its value is does not matter."""
        line, key, _ = self.at(path)
        below = (f"{key}.", f"{key}[")
        self.mistakes[:] = [
            mistake
            for mistake in self.mistakes
            if mistake.key != key and not mistake.key.startswith(below)
        ]
        self._reported.add(path)
        self._note(line, key, message)

    def _note(self, line: int | None, key: str, message: str) -> None:
        if len(self.mistakes) == MISTAKES:
            line, key, message = None, "", "and more mistakes, which are not listed"
        if len(self.mistakes) > MISTAKES:
            return
        self.mistakes.append(
            Mistake(
                file=self.file,
                line=line,
                key=self._masked(key[:_KEY_CHARACTERS]),
                message=self._masked(message),
            )
        )

    def _masked(self, text: str) -> str:
        return _KEY_LIKE.sub("***", self._secrets.masked(text))

    @cached_property
    def _secrets(self) -> Secrets:
        named = (name for name in self._environ if _KEY_NAME.search(name))
        return Secrets(frozenset(self._environ[name] for name in named))

    # Reading.

    def _compose(
        self, path: Path, known: Mapping[str, bytes] | None
    ) -> yaml.MappingNode | None:
        try:
            return compose(path, paths=self._paths, known=known)
        except Unreadable as exc:
            self._note(exc.line, exc.key, exc.message)
            return None

    def _of(self, node: yaml.MappingNode) -> _Entries:
        """The entries of a mapping, those of `<<` included."""
        if id(node) not in self._entries:
            self._entries[id(node)] = {}  # what `<<` finds that names its own mapping
            own: _Entries = {}
            merged: _Entries = {}
            for key, value in node.value:
                if key.tag == _MERGE:
                    merged = {**self._merged(value), **merged}
                elif not isinstance(key, yaml.ScalarNode):
                    self._note(key.start_mark.line + 1, "", "a key must be a word")
                elif key.value in own:
                    first = own[key.value][0].start_mark.line + 1
                    self._note(
                        key.start_mark.line + 1,
                        key.value,
                        f"duplicate key; it is already on line {first}",
                    )
                else:
                    own[key.value] = (key, value)
            self._entries[id(node)] = {**merged, **own}
        return self._entries[id(node)]

    def _merged(self, node: yaml.Node) -> _Entries:
        entries: _Entries = {}
        if isinstance(node, yaml.MappingNode):
            entries = self._of(node)
            self._budget.take(len(entries))
            return entries
        for part in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if isinstance(part, yaml.MappingNode):
                entries = {**self._of(part), **entries}
                self._budget.take(len(entries))
            else:
                self._note(node.start_mark.line + 1, "<<", "expected a mapping")
        return entries

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, object]:
        return {
            key: self._value(value, (*path, key))
            for key, (_, value) in self._of(node).items()
            if path or not key.startswith(ANCHORS)
        }

    def _value(self, node: yaml.Node, path: KeyPath) -> object:
        self._budget.take()
        if len(path) > DEPTH:
            self.reject(path[:DEPTH], f"nested more than {DEPTH} deep")
            return None
        if path[-1] == SECRET:
            return self._secret(node, path)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if not node.tag.endswith((":map", ":seq")):
            self.reject(path, "a tag (!name) means nothing here; leave it out")
            return None
        if id(node) in self._open:
            self.reject(path, "refers to itself")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            return [self._value(v, (*path, i)) for i, v in enumerate(node.value)]
        finally:
            self._open.discard(id(node))

    def _secret(self, node: yaml.Node, path: KeyPath) -> str | None:
        """The value of the variable that `api_key` names; None when it is not set."""
        match = (
            _KEY_VARIABLE.fullmatch(node.value.strip())
            if isinstance(node, yaml.ScalarNode)
            else None
        )
        if match is None:
            self._reported.add(path)
            line, key, _ = self.at(path)
            name = re.sub(
                r"\W", "_", str(path[-2] if len(path) > 1 else "NAME")
            ).upper()
            rule = f"keys belong in the environment or .env; write ${{{name}_API_KEY}}"
            self._note(line, key, rule)
            return None
        value = self._environ.get(match[1], "").strip()
        if not is_text(value):
            self.reject(path, "allowed: UTF-8")
        return value or None

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> object:
        text = node.value
        if "${" in text:
            text = self._expanded(text, path)
            self._budget.take(characters=len(text))
            if node.style:
                return text
            # Unquoted: a number may come out of a variable.
            node = resolved(node, text)
        if path[0] == self._as_written and not node.tag.endswith(":null"):
            return text
        try:
            return constructed(node)
        except ValueError:
            kind = kind_of(node)
            self.reject(path, f"is not a valid value of the kind {kind!r}")
            return None

    def _expanded(self, text: str, path: KeyPath) -> str:
        found, problems = expand(text, self._environ)
        if not is_text(found):
            problems.append(f"the value of {text[:40]} is not UTF-8")
        if problems:
            self._reported.add(path)
            line, key, _ = self.at(path)
            for problem in problems:
                self._note(line, key, problem)
        return found
