"""Patterns: the models that make one call of a role together, by their parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crew.settings.values import Tier

PLANNED = ("planner", "caller", "summarizer")
"""One plans the next step, one writes the tool call, one the answer (alpha-UMi)."""
DESIGNED = ("architect", "editor")
"""One plans the change in words, one makes it (aider)."""
PATTERNS = (PLANNED, DESIGNED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """The parts by name, each with the tiers and deployments that serve it, in order.
    The names are those of one of PATTERNS."""

    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        """As the YAML has it, in one line."""
        parts = []
        for name in self.names:
            chain = ", ".join(self.parts[name])
            several = len(self.parts[name]) > 1
            parts.append(f"{name}: [{chain}]" if several else f"{name}: {chain}")
        return f"{{{', '.join(parts)}}}"

    @property
    def names(self) -> tuple[str, ...]:
        """The parts in the order of their work."""
        return next(one for one in PATTERNS if set(one) == set(self.parts))

    def chain(self, part: str, tiers: "Mapping[str, Tier]") -> tuple[str, ...]:
        """The deployments of a part, with its tiers written out."""
        found = (
            tiers[name].chain if name in tiers else (name,) for name in self.parts[part]
        )
        return tuple(dict.fromkeys(one for chain in found for one in chain))

    def tier(self, part: str, tiers: "Mapping[str, Tier]", otherwise: str) -> str:
        """Where the search goes on after the chain of a part: the tier that it ends
        with, or the role's own."""
        last = self.parts[part][-1]
        return last if last in tiers else otherwise


def pattern(shape: object) -> Pattern | None:
    """The pattern of a role's shape, which has the parts as attributes."""
    if shape is None:
        return None
    given = {name: getattr(shape, name) for one in PATTERNS for name in one}
    return Pattern(parts={name: tuple(one) for name, one in given.items() if one})


def flaw(names: Sequence[str]) -> str:
    """What keeps these parts from being a pattern; empty when they are one."""
    if any(set(names) == set(one) for one in PATTERNS):
        return ""
    allowed = ", or ".join(f"{', '.join(one[:-1])} and {one[-1]}" for one in PATTERNS)
    return f"found {', '.join(names) or 'nothing'}; allowed: {allowed}"
