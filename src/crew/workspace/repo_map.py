"""A map of a repository: its files and definitions, the most used ones first (pure).

A definition counts by how many other files use it: they have its name in them, and the
name of its file, by which they import it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from crew.workspace.outline import Definition, Outline

CHARACTERS_PER_TOKEN = 4
_FOR_DEFINITIONS = 0.75
"""The part of the budget that definitions may take; the rest is for names of files."""
_MOST_USERS = 500
_FOR_THE_DIRECTORY = frozenset(("__init__", "index", "mod", "lib", "main"))
_TESTS = frozenset(("test", "tests", "__tests__", "spec", "testdata", "fixtures"))
_TEST = re.compile(r"^test_|_test\.|\.(?:test|spec)\.|^conftest\.|Tests?\.java$")
_WORD = re.compile(r"[^\W\d]\w{2,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file of the map: its outline, and the words in it."""

    outline: Outline
    words: frozenset[str]


def words(text: str) -> frozenset[str]:
    """The words of a source that may name a definition."""
    return frozenset(_WORD.findall(text))


def draw(files: Iterable[str], sources: Mapping[str, Source], tokens: int) -> str:
    """The map, within a number of tokens (four characters each). `sources` are those
    of the files whose definitions are known."""
    room = tokens * CHARACTERS_PER_TOKEN
    chosen = _chosen(sources, int(room * _FOR_DEFINITIONS))
    parts = [
        f"{name}\n" + "".join(_line(one) for one in sorted(found, key=_by_line))
        for name, found in chosen.items()
    ]
    drawn = "\n".join(parts)
    rest = _names([name for name in files if name not in chosen], room - len(drawn))
    return drawn + ("\n" if drawn and rest else "") + rest


def _chosen(sources: Mapping[str, Source], room: int) -> dict[str, set[Definition]]:
    """The definitions that fit, by their file; the file with the best one first."""
    chosen: dict[str, set[Definition]] = {}
    for name, definition in _ranked(sources):
        new = {definition, *_around(sources[name].outline, definition)}
        new -= chosen.get(name, set())
        cost = sum(len(_line(one)) for one in new)
        cost += 0 if name in chosen else len(name) + 2
        if cost > room:
            break
        room -= cost
        chosen.setdefault(name, set()).update(new)
    return chosen


def _ranked(sources: Mapping[str, Source]) -> list[tuple[str, Definition]]:
    """All definitions, the most used one first; those of tests come last."""
    wanted = {one.name for source in sources.values() for one in source.outline}
    places = {name: _called(name) for name in sources}
    users: dict[str, list[str]] = {name: [] for name in wanted}
    for name, source in sources.items():
        if not _is_test(name):
            for word in source.words & wanted:
                users[word].append(name)
    weighed = []
    for name, source in sources.items():
        for one in source.outline:
            uses = 0
            # What half of the files say is a word, and no name.
            if len(users[one.name]) <= _MOST_USERS:
                uses = sum(
                    user != name and places[name] in sources[user].words
                    for user in users[one.name]
                )
            if one.name == places[name]:
                uses //= 4  # one word, which need not mean both
            weighed.append((_is_test(name), -uses, one.depth, name, one))
    weighed.sort(key=lambda each: (*each[:4], each[4].line))
    return [(name, definition) for *_, name, definition in weighed]


def _called(name: str) -> str:
    """The word by which others import a file."""
    path = PurePosixPath(name)
    stands_for_all = path.stem in _FOR_THE_DIRECTORY or path.suffix == ".go"
    return path.parent.name if stands_for_all else path.stem


def _is_test(name: str) -> bool:
    path = PurePosixPath(name)
    return _TEST.search(path.name) is not None or not _TESTS.isdisjoint(path.parts)


def _around(outline: Outline, definition: Definition) -> list[Definition]:
    """The classes that a definition is in."""
    found: list[Definition] = []
    depth = definition.depth
    before = outline[: outline.index(definition)]
    for one in reversed(before):
        if one.depth < depth:
            found.append(one)
            depth = one.depth
        if depth == 0:
            break
    return found


def _line(definition: Definition) -> str:
    return f"{definition.line}: {'  ' * definition.depth}{definition.text}\n"


def _by_line(definition: Definition) -> int:
    return definition.line


def _names(names: list[str], room: int) -> str:
    """The other files, by their directory, as far as there is room."""
    directories: dict[str, list[str]] = {}
    for name in names:
        path = PurePosixPath(name)
        directories.setdefault(str(path.parent), []).append(path.name)
    shown, left = "", len(names)
    for directory, inside in sorted(directories.items()):
        line = f"{directory}/: {' '.join(sorted(inside))}\n"
        if len(shown) + len(line) > room:
            continue
        shown += line
        left -= len(inside)
    return shown + (f"... and {left} more files\n" if left else "")
