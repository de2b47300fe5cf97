"""Variables in the values of a YAML file: `${NAME}` and `${NAME:-default}`."""

import re
from collections.abc import Mapping

_VARIABLE = re.compile(r"\$(\$\{)|\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}|\$\{")


def expand(text: str, environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """The text with its variables replaced, and what is wrong with them. No value of a
    variable is in a problem."""
    problems: list[str] = []

    def value(match: re.Match[str]) -> str:
        escaped, name, default = match.groups()
        if escaped:
            return "${"
        if name is None:
            problem = "a variable is written ${NAME} or ${NAME:-default}, "
            problems.append(f"{problem}and a plain '${{' is written '$${{'")
            return ""
        if name.upper().endswith("_API_KEY"):
            problems.append(f"${{{name}}} may only be used as `api_key`")
            return ""
        if found := environ.get(name):
            return found
        if default is None:
            problems.append(
                f"the variable {name} is not set; "
                f"set it in .env or write ${{{name}:-default}}"
            )
        return default or ""

    return _VARIABLE.sub(value, text), problems
