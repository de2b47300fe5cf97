"""Image files: what they are, and how they are sent to a model."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crew.errors import CrewError
from crew.processes.limited import OverBounds, run_limited

MIMES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "GIF": "image/gif",
}
IMAGE_BYTES = 50 * 1024 * 1024
SECONDS = 60.0
"""How long a child may take, on a busy machine."""
CPU_SECONDS = 8
"""Processor time of a child; it bounds that itself."""
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
    return _facts(_decoded(raw)[0], len(raw))


def data_url(raw: bytes) -> str:
    """An image as a `data:` URL, in a form and a size that every provider takes.

    Raises NotAnImage.
    """
    found, sent = _decoded(raw, side=SENT_SIDE, size=SENT_BYTES)
    mime = found["sent"] or _facts(found, len(raw)).mime
    text = base64.b64encode(sent or raw).decode("ascii")
    return f"data:{mime};base64,{text}"


def _facts(found: Mapping[str, Any], size: int) -> ImageFacts:
    return ImageFacts(
        format=found["format"],
        mime=MIMES[found["format"]],
        width=found["width"],
        height=found["height"],
        size=size,
        moving=found["moving"],
    )


def _decoded(raw: bytes, **bounds: int) -> tuple[dict[str, Any], bytes]:
    """What the child found, and the bytes to send where they are not `raw`. A broken
    or hostile file may take any time and memory, so a child decodes it."""
    if len(raw) > IMAGE_BYTES:
        raise NotAnImage(f"it is larger than {IMAGE_BYTES // 2**20} MB")
    bounds = {"cpu_seconds": CPU_SECONDS, **bounds}
    wanted = json.dumps({"formats": list(MIMES), **bounds})
    try:
        printed = run_limited(_SCRIPT, wanted, given=raw, seconds=SECONDS)
    except OverBounds as exc:
        raise NotAnImage(f"it cannot be decoded: {exc}") from None
    head, _, sent = printed.partition(b"\n")
    found: dict[str, Any] = json.loads(head or b'{"wrong": "memory"}')
    if "wrong" in found:
        raise NotAnImage(_WRONG[found["wrong"]])
    return found, sent


_SCRIPT = Path(__file__).with_name("decoding.py")
_ALLOWED = "PNG, JPEG, WebP and GIF are allowed"
_WRONG = {
    "unknown": f"it is not an image; {_ALLOWED}",
    "broken": f"it is a broken image; {_ALLOWED}",
    "pixels": "it has too many pixels",
    "memory": "it cannot be decoded: it takes too much memory",
}
