"""Write the parts of the documentation that come from the code.

    uv run python docs/generate.py

A page keeps what stands outside of `<!-- generated: NAME -->` and `<!-- end -->`.
tests/test_docs.py fails when a part is stale.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from generated.api import api
from generated.commands import commands
from generated.journal import journal
from generated.reference import reference, refused

DOCS = Path(__file__).parent
PARTS: Mapping[str, Callable[[], str]] = {
    "api": api,
    "commands": commands,
    "journal": journal,
    "reference": reference,
    "refused": refused,
}
_PART = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str) -> str:
    """The text of a page, with its generated parts as they are now."""
    return _PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]()}\n{part[3]}", page)


def parts(page: str) -> list[str]:
    """The names of the generated parts of a page."""
    return [part[2] for part in _PART.finditer(page)]


if __name__ == "__main__":
    for path in sorted(DOCS.glob("*.md")):
        old = path.read_text(encoding="utf-8")
        new = filled(old)
        if new != old:
            path.write_text(new, encoding="utf-8")
