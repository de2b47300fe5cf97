"""The script that decodes one image, in a process of its own with limits.

It knows nothing else of ours: starting it takes as long as importing Pillow. The image
comes on stdin; a line of JSON goes out, and after it the bytes to send.
"""

import io
import json
import sys
import warnings
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from crew.processes.bounds import bound

MEMORY_BYTES = 1024 * 1024 * 1024


def _decoded(raw: bytes, wanted: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """What the image is, and the bytes to send where `wanted` has their bounds."""
    with Image.open(io.BytesIO(raw), formats=wanted["formats"]) as image:
        kind, (width, height) = str(image.format), image.size
        # `verify` would miss a JPEG that breaks off.
        image.load()
        frames = int(getattr(image, "n_frames", 1))
        if kind == "MPO":  # a JPEG with a preview behind it, as cameras write them
            kind, frames = "JPEG", 1
        facts = {
            "format": kind,
            "width": width,
            "height": height,
            "moving": frames > 1,
        }
        side, size = wanted.get("side"), wanted.get("size")
        if side is None or size is None:
            return facts, b""
        sent, mime = raw, ""
        if kind == "GIF" or frames > 1:
            # Gemini knows no GIF, nobody a moving one (2026-11).
            image.seek(0)
            sent, mime = _as_png(image), "image/png"
        if len(sent) > size or max(width, height) > side:
            sent, mime = _smaller(image, side, size), "image/jpeg"
    return {**facts, "sent": mime}, b"" if sent is raw else sent


def _as_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.convert("RGBA").save(buffer, "PNG")
    return buffer.getvalue()


def _smaller(image: Image.Image, side: int, size: int) -> bytes:
    """As a JPEG: upright, and on white where it is transparent."""
    if image.mode not in ("RGB", "RGBA", "L"):
        image = image.convert("RGBA")
    # First smaller: each later step makes a copy.
    image.thumbnail((side, side))
    upright = ImageOps.exif_transpose(image).convert("RGBA")
    while True:
        upright.thumbnail((side, side))
        white = Image.new("RGBA", upright.size, "white")
        buffer = io.BytesIO()
        flat = Image.alpha_composite(white, upright).convert("RGB")
        flat.save(buffer, "JPEG", quality=85)
        if buffer.tell() <= size:
            return buffer.getvalue()
        side = side * 3 // 4


def _answer(raw: bytes, wanted: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        return _decoded(raw, wanted)
    except UnidentifiedImageError:
        return {"wrong": "unknown"}, b""
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return {"wrong": "pixels"}, b""
    except MemoryError:
        return {"wrong": "memory"}, b""
    except Exception:
        # Decoders raise whatever a broken file makes them trip over: OSError,
        # SyntaxError, struct.error, EOFError, IndexError, ...
        return {"wrong": "broken"}, b""


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    bound(memory_bytes=MEMORY_BYTES, cpu_seconds=wanted["cpu_seconds"])
    facts, sent = _answer(sys.stdin.buffer.read(), wanted)
    sys.stdout.buffer.write(json.dumps(facts).encode() + b"\n" + sent)
