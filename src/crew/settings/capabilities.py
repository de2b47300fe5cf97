"""What a configuration can do that matters to whom it is given: the addresses that it
calls, the code that it may import, the commands that it may start."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import yaml

from crew.settings.bounds import DEPTH, Budget, TooLarge
from crew.settings.composing import Unreadable, compose
from crew.settings.dotenv import Broken, variables
from crew.settings.snapshot import YAML, Snapshot

_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)")
_ADDRESSES = ("base_url", "api_base", "url", "webhook")
_COMMANDS = ("command", "commands", "checks", "sandbox", "run_command")
_CHARACTERS = 400
_PARTS = 500
"""Values of one entry that are looked at."""


@dataclass(slots=True)
class Capabilities:
    """Lines of text for a person, each with where it stands."""

    addresses: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)
    variables: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def capabilities(snapshot: Snapshot) -> Capabilities:
    """What the files can do, as far as it stands in them. They may be wrong in any
    way."""
    found = Capabilities()
    for name, content in sorted(snapshot.contents.items()):
        if not name.endswith(YAML):
            found.code.append(name)
            continue
        path = Path(name)
        try:
            root = compose(path, paths=True, known={path.name: content})
            _walk(found, root, name, ())
        except Unreadable as exc:
            found.unreadable.append(f"{name}: {exc.message}")
        except TooLarge as exc:
            found.unreadable.append(f"{name}: {exc}")
    for dotenv, text in snapshot.dotenv.items():
        if text is not None:
            found.variables.append(f"{dotenv}: {_set_by(text)}")
    return found


def _walk(
    found: Capabilities,
    root: yaml.MappingNode,
    file: str,
    path: tuple[str, ...],
) -> None:
    """Collect from a mapping and all below it. Raises TooLarge."""
    budget = Budget()
    waiting: list[tuple[yaml.Node, tuple[str, ...]]] = [(root, path)]
    while waiting:
        node, where = waiting.pop()
        budget.take()
        if len(where) > DEPTH:
            raise TooLarge(f"nested more than {DEPTH} deep")
        if isinstance(node, yaml.SequenceNode):
            waiting += [(one, where) for one in reversed(node.value)]
        elif isinstance(node, yaml.MappingNode):
            for key, value in reversed(node.value):
                name = key.value if isinstance(key, yaml.ScalarNode) else "?"
                deeper = (*where, str(name))
                line = f"{file}:{key.start_mark.line + 1}: {'.'.join(deeper)}"
                if name in _ADDRESSES:
                    sent = _sent(node)
                    found.addresses.append(_cut(f"{line}: {_text(value)}") + sent)
                elif name in _COMMANDS:
                    found.commands.append(_cut(f"{line}: {_text(value)}"))
                elif isinstance(value, yaml.ScalarNode) and "://" in value.value:
                    found.addresses.append(_cut(f"{line}: {_text(value)}"))
                waiting.append((value, deeper))


def _sent(mapping: yaml.MappingNode) -> str:
    """Which variables stand beside an address: they go there."""
    names = dict.fromkeys(_VARIABLE.findall(_text(mapping)))
    return f" (gets {', '.join(names)})" if names else ""


def _text(node: yaml.Node) -> str:
    """The texts of a node, in one line."""
    return " ".join(" ".join(islice(_scalars(node, DEPTH), _PARTS)).split())


def _scalars(node: yaml.Node, depth: int) -> Iterator[str]:
    """The texts of a node; an empty one for each list and mapping, so that whoever
    counts comes to an end."""
    yield str(node.value) if isinstance(node, yaml.ScalarNode) else ""
    if depth > 0 and isinstance(node, yaml.SequenceNode):
        for one in node.value:
            yield from _scalars(one, depth - 1)
    elif depth > 0 and isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(key, depth - 1)
            yield from _scalars(value, depth - 1)


def _set_by(content: bytes) -> str:
    try:
        return ", ".join(variables(content)) or "sets nothing"
    except Broken as exc:
        return str(exc)


def _cut(text: str) -> str:
    return text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}..."
