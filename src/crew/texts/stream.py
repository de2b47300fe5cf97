"""A terminal, or a file in its place, on which nothing is shown as it came."""

import re
from typing import Any, TextIO

from crew.texts.escapes import escape_control
from crew.texts.masking import Secrets

# The colours that CrewAI puts around a text of its own.
_COLOURED = re.compile(r"(?:\x1b\[\d{1,2}m)*(.*?)(?:\x1b\[0{1,2}m)?(\n*)", re.DOTALL)


class SafeStream:
    """Writes to the stream `beneath` with secrets masked and escapes made visible.

    It is no terminal to those who ask, so that nobody writes colours to it.
    """

    def __init__(self, beneath: TextIO, secrets: Secrets) -> None:
        self.beneath = beneath
        self.secrets = secrets

    def write(self, text: str) -> int:
        """Write a text; returns its length."""
        found = _COLOURED.fullmatch(text)
        plain = found[1] + found[2] if found else text
        self.beneath.write(escape_control(self.secrets.masked(plain)))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def isatty(self) -> bool:
        """Whether colours are welcome."""
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.beneath, name)
