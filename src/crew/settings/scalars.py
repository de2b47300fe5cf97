"""The plain values of a YAML file: numbers, dates, true and false, texts."""

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

CHARACTERS = 100
"""Of a number, a date and the like; a text may be longer."""


def kind_of(node: yaml.ScalarNode) -> str:
    """What a value is, such as `int`."""
    return node.tag.rpartition(":")[2][:20]


def resolved(node: yaml.ScalarNode, text: str) -> yaml.ScalarNode:
    """A node with another text, as if it had been written in its place."""
    tag = Resolver().resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return yaml.ScalarNode(tag, text, node.start_mark, node.end_mark)


def constructed(node: yaml.ScalarNode) -> object:
    """The value of a node. Raises ValueError when it is none of its kind."""
    if kind_of(node) == "str":
        return node.value
    if len(node.value) > CHARACTERS:
        raise ValueError("too long")
    try:
        return SafeConstructor().construct_object(node)
    except Exception as exc:
        # They trip over what a tag such as !!timestamp does not fit: YAMLError,
        # KeyError, IndexError, AttributeError, OverflowError, ...
        raise ValueError(str(exc)) from exc
