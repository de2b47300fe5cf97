"""Image files: what they are, and how they are sent to a model."""

import base64
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from crew.errors import CrewError

MIMES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "GIF": "image/gif",
}
SENT_BYTES = 4 * 1024 * 1024
SENT_SIDE = 2_000
"""Pixels of the longer side that a provider takes from everybody; Anthropic scales
down by itself above about 1,600 (docs, 2026-11)."""


class NotAnImage(CrewError):
    """The file is none of the image formats that models take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What an image file is; width and height in pixels."""

    format: str
    mime: str
    width: int
    height: int
    size: int


def identify(path: Path) -> ImageFacts:
    """What an image is, by its content. Raises NotAnImage."""
    allowed = "PNG, JPEG, WebP and GIF are allowed"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=list(MIMES)) as image:
                kind, (width, height) = str(image.format), image.size
                image.verify()
    except UnidentifiedImageError:
        raise NotAnImage(f"it is not an image; {allowed}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise NotAnImage("it has too many pixels") from None
    except (OSError, SyntaxError, ValueError):
        raise NotAnImage(f"it is a broken image; {allowed}") from None
    return ImageFacts(
        format=kind,
        mime=MIMES[kind],
        width=width,
        height=height,
        size=path.stat().st_size,
    )


def data_url(path: Path) -> str:
    """An image as a `data:` URL, scaled down where it is too large to send.

    Raises NotAnImage.
    """
    facts = identify(path)
    raw, mime = path.read_bytes(), facts.mime
    if facts.size > SENT_BYTES or max(facts.width, facts.height) > SENT_SIDE:
        raw, mime = _smaller(path)
    return f"data:{mime};base64,{base64.b64encode(raw).decode('ascii')}"


def _smaller(path: Path) -> tuple[bytes, str]:
    with Image.open(path, formats=list(MIMES)) as image:
        image.thumbnail((SENT_SIDE, SENT_SIDE))
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=85)
    return buffer.getvalue(), "image/jpeg"
