"""The chains of tiers.yaml, ordered by what can be used; the rest stays as written."""

from collections.abc import Callable, Collection, Iterator, Mapping

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode


def ordered_chains(text: str, usable: Collection[str]) -> str:
    """tiers.yaml with the entries first in each chain that are `usable` deployments,
    or tiers that hold one. Among these, and among the others, the order stays, and an
    entry keeps its comment."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    chains = dict(_chains(root))
    works = _works(chains, usable)
    # From the end, so that the places before stay where they are.
    for chain in sorted(
        chains.values(), key=lambda one: one.start_mark.index, reverse=True
    ):
        text = _reordered(text, chain, works)
    return text


def _chains(root: Node | None) -> Iterator[tuple[str, SequenceNode]]:
    """Each list of deployments under its tier's name, or that of its rule."""
    for section, entries in _entries(root):
        if section not in ("tiers", "routing"):
            continue
        for name, value in _entries(entries):
            prefix = "" if section == "tiers" else "routing "
            if isinstance(value, SequenceNode):
                yield prefix + name, value
            for key, chain in _entries(value):
                if key == "chain" and isinstance(chain, SequenceNode):
                    yield prefix + name, chain


def _entries(node: Node | None) -> Iterator[tuple[str, Node]]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                yield key.value, value


def _works(
    chains: Mapping[str, SequenceNode], usable: Collection[str]
) -> Callable[[str], bool]:
    """Whether an entry is usable. A tier that leads back to itself adds nothing."""

    def works(name: str, above: tuple[str, ...] = ()) -> bool:
        if name in usable:
            return True
        if name in above or name not in chains:
            return False
        return any(works(one, (*above, name)) for one in _names(chains[name]))

    return works


def _names(chain: SequenceNode) -> list[str]:
    return [one.value for one in chain.value if isinstance(one, ScalarNode)]


def _reordered(text: str, chain: SequenceNode, works: Callable[[str], bool]) -> str:
    names = _names(chain)
    if len(names) != len(chain.value):
        return text
    order = sorted(range(len(names)), key=lambda place: not works(names[place]))
    spans = _spans(text, chain)
    parts = [text[begin:end] for begin, end in spans]
    for place in reversed(range(len(spans))):
        begin, end = spans[place]
        text = text[:begin] + parts[order[place]] + text[end:]
    return text


def _spans(text: str, chain: SequenceNode) -> list[tuple[int, int]]:
    """Where each entry stands: the word alone within brackets, else the rest of its
    line, with the comment."""
    words = [(one.start_mark.index, one.end_mark.index) for one in chain.value]
    if chain.flow_style:
        return words
    return [(begin, _end_of_line(text, end)) for begin, end in words]


def _end_of_line(text: str, place: int) -> int:
    found = text.find("\n", place)
    return len(text) if found < 0 else found
