"""Changes of a YAML file as text, so that its comments and its form stay (pure)."""

import difflib
from collections.abc import Sequence

import yaml


class Inexpressible(Exception):
    """The text does not have the place that is to be changed."""


def put_first(text: str, path: Sequence[str], name: str) -> str:
    """The text with the name as the first entry of the list at `path`, or of the
    `chain` there. Raises Inexpressible."""
    node: yaml.Node | None = _at(text, path)
    if isinstance(node, yaml.MappingNode):
        node = _child(node, "chain")
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        raise Inexpressible(f"{'.'.join(path)} is no list")
    change = _in_flow if node.flow_style else _in_block
    return change(text, node, name)


def set_key(text: str, path: Sequence[str], key: str, value: str) -> str:
    """The text with `key: value` in the mapping at `path`; a bare list there becomes
    its `chain`. Raises Inexpressible."""
    node = _at(text, path)
    start, end = node.start_mark.index, node.end_mark.index
    if isinstance(node, yaml.SequenceNode) and node.flow_style:
        return f"{text[:start]}{{chain: {text[start:end]}, {key}: {value}}}{text[end:]}"
    if not isinstance(node, yaml.MappingNode) or not node.value:
        raise Inexpressible(f"{'.'.join(path)} is no mapping")
    known = _child(node, key)
    if known is not None:
        at, to = known.start_mark.index, known.end_mark.index
        return f"{text[:at]}{value}{text[to:]}"
    if node.flow_style:
        last = node.value[-1][1].end_mark.index
        return f"{text[:last]}, {key}: {value}{text[last:]}"
    return f"{text[:start]}{key}: {value}\n{' ' * node.start_mark.column}{text[start:]}"


def difference(file: str, before: str, after: str) -> str:
    """The change of a file as `patch` reads it; empty without one."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True),
        after.splitlines(keepends=True),
        f"a/{file}",
        f"b/{file}",
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def _at(text: str, path: Sequence[str]) -> yaml.Node:
    node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    for key in path:
        node = _child(node, key)
    if node is None:
        raise Inexpressible(f"there is no {'.'.join(path)}")
    return node


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _in_flow(text: str, node: yaml.SequenceNode, name: str) -> str:
    others = [
        text[one.start_mark.index : one.end_mark.index]
        for one in node.value
        if one.value != name
    ]
    start, end = node.start_mark.index, node.end_mark.index
    return f"{text[:start]}[{', '.join([name, *others])}]{text[end:]}"


def _in_block(text: str, node: yaml.SequenceNode, name: str) -> str:
    lines = text.splitlines(keepends=True)
    first = node.value[0].start_mark.line
    dash = lines[first].index("-")
    added = f"{lines[first][:dash]}- {name}\n"
    for one in node.value:
        if one.value == name:
            added = lines.pop(one.start_mark.line)
    return "".join([*lines[:first], added, *lines[first:]])
