"""An answer that is not the provider's: a firewall, a proxy or a login page stands
before it. The key is not to blame."""

import re

from crew.providers.headers import Headers

_REFUSALS = (403, 405, 406, 451)
_LOGIN = "this network wants a login first; open a page of the web and log in"
_PROXY = "a proxy on the way refuses its address; have it allowed there"
_FIREWALL = (
    "a firewall before it refuses this machine (a web page came, no answer of its own)"
    "; check the network, a VPN, or the country"
)
_EDGE_CODE = re.compile(r"error code: 1\d{3}\b", re.IGNORECASE)
"""Cloudflare's, in a plain text."""


def in_front(status: int, headers: Headers, text: str) -> str:
    """Why something before the provider refuses the call; empty if the answer may well
    be the provider's own. The names of headers are in lower case."""
    if status == 511:
        return _LOGIN
    if "x-squid-error" in headers and status >= 400:
        return _PROXY
    marked = any(name in headers for name in ("cf-mitigated", "x-amzn-waf-action"))
    page = is_web_page(headers, text) or _EDGE_CODE.match(text.strip())
    if (marked and status >= 400) or (page and status in _REFUSALS):
        return _FIREWALL
    return ""


def is_web_page(headers: Headers, text: str) -> bool:
    """Whether a page for people came in place of an answer."""
    start = text.lstrip()[:200].lower()
    if start.startswith(("<!doctype html", "<html", "<head", "<title", "<body")):
        return True
    return start.startswith("<") and "html" in headers.get("content-type", "").lower()
