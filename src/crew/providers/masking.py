"""What may be kept of a failure that nobody knows: codes, and a little text without
keys and quotations."""

import json
import re

from crew.providers.bodies import Body, as_text

_LONGEST = 500
_LONGEST_TEXT = 100
MASK = "***"
_FIELDS = ("code", "type", "status", "param", "error_type")
_KEY = re.compile(
    r"\b(?:sk|pk|rk|gsk|csk|hf|xai|tgp)[-_][\w.\-]{6,}"
    r"|AIza[\w\-]{6,}"
    r"|\bBearer\s+\S+",
    re.IGNORECASE,
)
_RUN = re.compile(r"[A-Za-z0-9+/=_\-]{20,}")
_WORDS = re.compile(r"[a-z]+(?:[_\-/][a-z]+)+")
_QUOTED = re.compile(
    r"(?<!\w)[\"'`\u201c\u2018](.*?)(?:[\"'`\u201d\u2019](?!\w)|$)", re.DOTALL
)
_NAME = re.compile(r"[a-z_][a-z0-9_.]{0,40}")
_TAG = re.compile(r"<[^<>]{0,200}>")
_ECHO = re.compile(r"[{\[<]|\binput(?:_value)?\s*[:=]", re.IGNORECASE)


def masked(body: Body) -> str:
    """The failure's codes and the beginning of its message, as JSON."""
    kept = {name: as_text(body.error.get(name)) for name in _FIELDS}
    kept["error_type"] = kept["error_type"] or as_text(body.metadata.get("error_type"))
    # What is no error's own JSON may be anything, the request included.
    message = " ".join(_TAG.sub(" ", body.message).split()) if body.error else ""
    # What is in braces or behind `input:` may be the request.
    kept["message"] = _ECHO.split(message, maxsplit=1)[0]
    found = {name: _clean(text) for name, text in kept.items() if text}
    return json.dumps(found, ensure_ascii=False)[:_LONGEST] if found else ""


def masked_text(text: str) -> str:
    """The beginning of a library's sentence."""
    return _clean(" ".join(_ECHO.split(text, maxsplit=1)[0].split()))


def _clean(text: str) -> str:
    """The text's beginning up to the end of a word (half a key is a key too)."""
    if len(text) > _LONGEST_TEXT:
        text = text[:_LONGEST_TEXT].rpartition(" ")[0] or MASK
    return _QUOTED.sub(_quotation, _RUN.sub(_run, _KEY.sub(MASK, text)))


def _quotation(match: re.Match[str]) -> str:
    """A quotation stays when it is the name of a parameter."""
    name = match[1]
    return match[0] if _NAME.fullmatch(name) and not _RUN.search(name) else f"'{MASK}'"


def _run(match: re.Match[str]) -> str:
    """A long run of letters and digits stays when it is words with bars between."""
    return match[0] if _WORDS.fullmatch(match[0]) else MASK
