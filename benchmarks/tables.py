"""How the benchmarks print what they measured."""

from collections.abc import Sequence


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns as wide as what is in them."""
    lines = [heads, *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(heads))]
    print()
    for line in lines:
        padded = (one.ljust(w) for one, w in zip(line, widths, strict=True))
        print("  ".join(padded).rstrip())
