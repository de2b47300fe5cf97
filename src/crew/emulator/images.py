"""Images of a conversation: what the emulator sees of them."""

import base64
import binascii
import io
from dataclasses import dataclass

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image as it was sent. `format` is None for an address, or if unreadable."""

    source: str
    format: str | None = None
    width: int = 0
    height: int = 0

    def __str__(self) -> str:
        match self.source:
            case "url":
                return "an image given by its address"
            case "data" if self.format is not None:
                return f"a {self.format} image of {self.width}x{self.height} pixels"
            case _:
                return "an image that cannot be read"


def look(url: str) -> Picture:
    """Decode a `data:` URL as far as format and size; addresses are not followed."""
    if not url.startswith("data:"):
        return Picture(source="url")
    # Only a conversation with images pays for Pillow: the start must be quick.
    from PIL import Image, UnidentifiedImageError

    try:
        raw = base64.b64decode(url.partition(",")[2], validate=True)
        with Image.open(io.BytesIO(raw), formats=_FORMATS) as image:
            width, height = image.size
            name = image.format
    except (
        binascii.Error,
        UnidentifiedImageError,
        OSError,
        ValueError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ):
        return Picture(source="data")
    return Picture(source="data", format=name, width=width, height=height)
