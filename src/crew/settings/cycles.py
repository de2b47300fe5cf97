"""What names what: circles, and chains written out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from crew.settings.schema import TierShape

Graph = Mapping[str, Sequence[str]]


def circles(graph: Graph) -> list[list[str]]:
    """The circles of a graph, each once, from its first name on."""
    found: dict[frozenset[str], list[str]] = {}
    done: set[str] = set()

    def walk(name: str, trail: list[str]) -> None:
        if name in trail:
            circle = trail[trail.index(name) :]
            found.setdefault(frozenset(circle), circle)
        elif name in graph and name not in done:
            for following in graph[name]:
                walk(following, [*trail, name])
            done.add(name)

    for name in graph:
        walk(name, [])
    return list(found.values())


def drawn(circle: Sequence[str]) -> str:
    """A circle as text, back to where it began."""
    return " -> ".join([*circle, circle[0]])


def expanded(chain: Iterable[str], tiers: Mapping[str, TierShape]) -> tuple[str, ...]:
    """A chain with its tiers written out, each deployment once, at its first place."""

    def walk(names: Iterable[str]) -> Iterator[str]:
        for name in names:
            if name in tiers:
                yield from walk(tiers[name].chain)
            else:
                yield name

    return tuple(dict.fromkeys(walk(chain)))
