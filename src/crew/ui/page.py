"""The live page: one document with its style and its script inside.

It is always the same, whatever the crew does: what changes comes by the stream, and
the script shows it as text.
"""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_LIVE = (
    "default-src 'none'; style-src '{style}'; script-src '{script}'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


@dataclass(frozen=True, slots=True)
class Page:
    """A document of HTML, and the policy under which a browser shows it."""

    text: str
    policy: str


@cache
def live_page() -> Page:
    """The page of `crew ui`, in the colours of the reports."""
    reports = files("crew.reports.page") / "templates" / "style.css"
    style = reports.read_text("utf-8") + _file("live.css")
    script = _file("live.js")
    text = _file("live.html")
    for name, content in (("style", style), ("script", script)):
        text = text.replace(f"{{{{ {name} }}}}", content)
    return Page(text, _LIVE.format(style=_hash(style), script=_hash(script)))


def _file(name: str) -> str:
    return (files("crew.ui") / "files" / name).read_text("utf-8")


def _hash(source: str) -> str:
    digest = hashlib.sha256(source.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
