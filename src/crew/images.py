"""Image files: what they are, and how they are sent to a model."""

import base64
import io
import warnings
from dataclasses import dataclass

from PIL import Image, ImageOps, UnidentifiedImageError

from crew.errors import CrewError

MIMES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "GIF": "image/gif",
}
IMAGE_BYTES = 50 * 1024 * 1024
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


def identify(raw: bytes) -> ImageFacts:
    """What an image is, by its content. Raises NotAnImage."""
    if len(raw) > IMAGE_BYTES:
        raise NotAnImage(f"it is larger than {IMAGE_BYTES // 2**20} MB")
    allowed = "PNG, JPEG, WebP and GIF are allowed"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with _opened(raw) as image:
                kind, (width, height) = str(image.format), image.size
                # `verify` would miss a JPEG that breaks off.
                image.load()
    except UnidentifiedImageError:
        raise NotAnImage(f"it is not an image; {allowed}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise NotAnImage("it has too many pixels") from None
    except Exception:
        # Decoders raise whatever a broken file makes them trip over: OSError,
        # SyntaxError, struct.error, EOFError, IndexError, ...
        raise NotAnImage(f"it is a broken image; {allowed}") from None
    return ImageFacts(
        format=kind, mime=MIMES[kind], width=width, height=height, size=len(raw)
    )


def data_url(raw: bytes) -> str:
    """An image as a `data:` URL, scaled down where it is too large to send.

    Raises NotAnImage.
    """
    facts = identify(raw)
    sent, mime = raw, facts.mime
    if facts.size > SENT_BYTES or max(facts.width, facts.height) > SENT_SIDE:
        sent, mime = _smaller(raw), "image/jpeg"
    return f"data:{mime};base64,{base64.b64encode(sent).decode('ascii')}"


def _opened(raw: bytes) -> Image.Image:
    return Image.open(io.BytesIO(raw), formats=list(MIMES))


def _smaller(raw: bytes) -> bytes:
    """As a JPEG: upright, and on white where it is transparent."""
    with _opened(raw) as image:
        upright = ImageOps.exif_transpose(image).convert("RGBA")
    upright.thumbnail((SENT_SIDE, SENT_SIDE))
    white = Image.new("RGBA", upright.size, "white")
    buffer = io.BytesIO()
    flat = Image.alpha_composite(white, upright).convert("RGB")
    flat.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
