"""The paths of files that a text names, as people write them in a request (pure)."""

import re

# Without a directory only endings that no name of code has: `orders.list` is none.
ENDING = (
    r"\.(?:py|md|txt|toml|ya?ml|json|[jt]sx?|html|css|sh|cfg|ini|rst"
    r"|go|rs|java|rb|php|sql|csv|xml)"
)
# `Node.js` and its like are names, and what follows `://` is an address.
_NAMED = re.compile(
    rf"(?<![\w./@:+-])(?![A-Z]\w*\.js\b)((?:[\w.@+-]+/)*[\w@+-][\w.@+-]*?{ENDING})"
    r"(?![\w/-]|\.\w)"
)


def named_paths(text: str) -> list[str]:
    """The paths in a text, each once, in their order."""
    return list(dict.fromkeys(_NAMED.findall(text)))
