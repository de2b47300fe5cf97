"""The shape of `alerts` in tiers.yaml."""

import ipaddress
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from crew.settings.alerts import AlertSettings
from crew.settings.document import Document
from crew.settings.fields import Text
from crew.settings.schema import Shape
from crew.settings.validation import read

_KEY = "alerts"


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _webhook(value: str) -> str:
    address = value.strip()
    if not address:
        return address
    rule = "allowed: https://HOST/PATH, or http:// for this machine"
    try:
        parts = urlsplit(address)
        port, host = parts.port, parts.hostname
    except ValueError:  # what it says quotes the address
        raise ValueError(f"is no address; {rule}") from None
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    written = address.isascii() and address.isprintable() and " " not in address
    if not host or port == 0 or not safe or not written:
        raise ValueError(f"is no address of a webhook; {rule}")
    if "@" in parts.netloc:
        raise ValueError(f"holds a login; {rule}")
    return address


class AlertsShape(Shape):
    """`alerts` of tiers.yaml."""

    webhook: Annotated[str, AfterValidator(_webhook)] = ""
    command: Annotated[list[Text], Field(min_length=1, max_length=50)] | None = None


def read_alerts(tiers: Document) -> AlertSettings:
    """What tiers.yaml says of them, or nothing; mistakes are noted there."""
    if _KEY not in (tiers.data or {}):
        return AlertSettings()
    shape = read(tiers, AlertsShape, (_KEY,)) or AlertsShape()
    path = (_KEY, "webhook")
    host = urlsplit(shape.webhook).hostname
    if shape.webhook and "${" not in tiers.raw(path) and not is_loopback(host):
        tiers.reject(path, "is a secret; put it into .env and write ${NAME}")
    return AlertSettings(
        webhook=shape.webhook or None, command=tuple(shape.command or ())
    )
