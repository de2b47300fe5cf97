"""Circles in a graph of names, such as tiers that follow each other."""

from collections.abc import Mapping, Sequence

Graph = Mapping[str, Sequence[str]]


def cycles(graph: Graph) -> list[list[str]]:
    """The circles of a graph, each once, from its first name on."""
    found: dict[frozenset[str], list[str]] = {}
    done: set[str] = set()

    def walk(name: str, trail: list[str]) -> None:
        if name in trail:
            cycle = trail[trail.index(name) :]
            found.setdefault(frozenset(cycle), cycle)
        elif name in graph and name not in done:
            for following in graph[name]:
                walk(following, [*trail, name])
            done.add(name)

    for name in graph:
        walk(name, [])
    return list(found.values())


def shown_cycle(cycle: Sequence[str]) -> str:
    """A circle as text, back to where it began."""
    return " -> ".join([*cycle, cycle[0]])
