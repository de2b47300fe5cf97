"""Circles in a graph of names, such as tiers that follow each other."""

from collections.abc import Mapping, Sequence

Graph = Mapping[str, Sequence[str]]


def cycles(graph: Graph) -> list[list[str]]:
    """The circles of a graph, each once, from its first name on."""
    found: dict[frozenset[str], list[str]] = {}
    done: set[str] = set()
    for start in graph:
        # Names on the way here, each with those after it that are still to be seen.
        trail = {start: iter(graph[start])} if start not in done else {}
        while trail:
            name = next(reversed(trail))
            following = next(trail[name], None)
            if following is None:
                done.add(name)
                trail.popitem()
            elif following in trail:
                way = list(trail)
                cycle = way[way.index(following) :]
                found.setdefault(frozenset(cycle), cycle)
            elif following in graph and following not in done:
                trail[following] = iter(graph[following])
    return list(found.values())


def shown_cycle(cycle: Sequence[str]) -> str:
    """A circle as text, back to where it began."""
    return " -> ".join([*cycle, cycle[0]])
