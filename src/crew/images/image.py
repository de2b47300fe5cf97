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
SENT_BYTES = 2_800_000
"""What every provider takes, before base64 makes 3.73 MB of it. As known on 2026-11-24:

Groq        4 MB for a whole request with base64 (console.groq.com/docs/vision)
Anthropic   5 MB for an image in base64; lately 10 MB, which not every platform has
            (platform.claude.com/docs/en/build-with-claude/vision; error messages)
Gemini      7 MB an image on Vertex AI, 20 MB for a request with a key of AI Studio
            (docs.cloud.google.com/vertex-ai, ai.google.dev/gemini-api/docs)
Mistral     10 MB an image (docs.mistral.ai)
OpenRouter  about 10 MB (measured by others, 2025-12)
OpenAI      20 MB an image (platform.openai.com/docs/guides/images)
Together    no number is published
"""
SENT_SIDE = 2_000
"""Pixels of the longer side: what Anthropic takes in a request with many images (else
8,000). Models scale down by themselves to about that, or below."""


class NotAnImage(CrewError):
    """The file is none of the image formats that models take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What an image file is; width and height in pixels. `moving` has more than one
    frame."""

    format: str
    mime: str
    width: int
    height: int
    size: int
    moving: bool = False


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
                frames = int(getattr(image, "n_frames", 1))
    except UnidentifiedImageError:
        raise NotAnImage(f"it is not an image; {allowed}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise NotAnImage("it has too many pixels") from None
    except Exception:
        # Decoders raise whatever a broken file makes them trip over: OSError,
        # SyntaxError, struct.error, EOFError, IndexError, ...
        raise NotAnImage(f"it is a broken image; {allowed}") from None
    if kind == "MPO":  # a JPEG with a preview behind it, as cameras write them
        kind, frames = "JPEG", 1
    return ImageFacts(
        format=kind,
        mime=MIMES[kind],
        width=width,
        height=height,
        size=len(raw),
        moving=frames > 1,
    )


def data_url(raw: bytes) -> str:
    """An image as a `data:` URL, in a form and a size that every provider takes.

    Raises NotAnImage.
    """
    facts = identify(raw)
    sent, mime = raw, facts.mime
    if facts.format == "GIF" or facts.moving:
        # Gemini knows no GIF, nobody a moving one (2026-11).
        sent, mime = _first_frame(raw), "image/png"
    if len(sent) > SENT_BYTES or max(facts.width, facts.height) > SENT_SIDE:
        sent, mime = _smaller(raw), "image/jpeg"
    return f"data:{mime};base64,{base64.b64encode(sent).decode('ascii')}"


def _opened(raw: bytes) -> Image.Image:
    return Image.open(io.BytesIO(raw), formats=list(MIMES))


def _first_frame(raw: bytes) -> bytes:
    buffer = io.BytesIO()
    with _opened(raw) as image:
        image.convert("RGBA").save(buffer, "PNG")
    return buffer.getvalue()


def _smaller(raw: bytes) -> bytes:
    """As a JPEG: upright, and on white where it is transparent."""
    with _opened(raw) as image:
        upright = ImageOps.exif_transpose(image).convert("RGBA")
    side = SENT_SIDE
    while True:
        upright.thumbnail((side, side))
        white = Image.new("RGBA", upright.size, "white")
        buffer = io.BytesIO()
        flat = Image.alpha_composite(white, upright).convert("RGB")
        flat.save(buffer, "JPEG", quality=85)
        if buffer.tell() <= SENT_BYTES:
            return buffer.getvalue()
        side = side * 3 // 4
