"""From values to one HTML page: it loads nothing, and runs no script but its own."""

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from crew.reports.amounts import shown_usd
from crew.texts.escapes import escape_control

COLOURS = 10
"""How many deployments have a colour of their own; then they repeat."""


def rendered(template: str, data: Mapping[str, object], **values: object) -> str:
    """The page of a template. `data` is embedded as JSON for scripts, as
    docs/report-page.md describes it."""
    return (
        _environment()
        .get_template(template)
        .render(
            style=Markup(_source("style.css")),
            script=Markup(_source("page.js")),
            policy=policy(),
            data=embedded(data),
            **values,
        )
    )


def policy() -> str:
    """Under which a browser shows each page: nothing is loaded, and no script runs but
    its own."""
    digest = hashlib.sha256(_source("page.js").encode()).digest()
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{base64.b64encode(digest).decode()}'; "
        "base-uri 'none'; form-action 'none'"
    )


def embedded(data: Mapping[str, object]) -> Markup:
    """JSON that cannot end the element in which it stands."""
    text = json.dumps(data, separators=(",", ":"))  # ASCII: no lone surrogate
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


@cache
def _source(name: str) -> str:
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), name)[0]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("crew.reports.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # What models, providers and files wrote reaches a page through here.
        finalize=_clean,
    )
    environment.filters |= {
        "usd": usd,
        "count": lambda number: f"{number:,}",
        "percent": percent,
        "seconds": seconds,
        "moment": moment,
        "time": lambda at: f"{_local(at):%H:%M:%S}",
        "colour": lambda number: number % COLOURS,
    }
    return environment


def _clean(value: object) -> object:
    """Escapes and what turns the direction of a text, made visible."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return escape_control(value)
    return value


def usd(amount: Decimal | float | None) -> str:
    """Dollars, as in a text."""
    return shown_usd(None if amount is None else Decimal(str(amount)))


def percent(share: Decimal | float | None) -> str:
    """A share between 0 and 1; None: nobody knows it."""
    return "unknown" if share is None else f"{share:.1%}"


def seconds(length: float | None) -> str:
    """A duration in its two largest units."""
    if length is None:
        return "unknown"
    if length < 60:
        return f"{length:.1f} s"
    whole = round(length)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def moment(at: float | None) -> str:
    """A time of day where the reader is."""
    return "unknown" if at is None else f"{_local(at):%Y-%m-%d %H:%M:%S %Z}"


def _local(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC).astimezone()
