"""Images: known by their content, refused when broken, scaled down when too large."""

import base64
import io
import resource
import zlib
from pathlib import Path

import pytest
from PIL import Image

from crew.images import image
from crew.images.image import (
    IMAGE_BYTES,
    SENT_BYTES,
    SENT_SIDE,
    NotAnImage,
    data_url,
    identify,
)


def made(kind: str, size: tuple[int, int] = (40, 30), **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert("RGB").save(buffer, kind, **options)
    return buffer.getvalue()


def sent(raw: bytes) -> tuple[str, bytes]:
    head, _, data = data_url(raw).partition(",")
    return head, base64.b64decode(data)


def _huge() -> bytes:
    """A PNG that says it has 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(kind + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + kind + data + crc

    side = (60_000).to_bytes(4, "big")
    header = chunk(b"IHDR", side + side + b"\x08\x02\0\0\0")
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("kind", "mime"),
    [
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("WEBP", "image/webp"),
    ],
)
def test_an_image_is_known_by_its_content_and_sent_as_it_is(
    kind: str, mime: str
) -> None:
    raw = made(kind)

    facts = identify(raw)

    assert (facts.format, facts.mime) == (kind, mime)
    assert (facts.width, facts.height, facts.size) == (40, 30, len(raw))
    assert sent(raw) == (f"data:{mime};base64", raw)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "not an image"),
        (b"hello", "not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
        (b"%PDF-1.7", "not an image"),
        (made("BMP"), "not an image"),
        (made("TIFF"), "not an image"),
        (b"\x89PNG\r\n\x1a\n", "image"),
        (b"GIF89a", "image"),
        (b"\xff\xd8\xff", "image"),
        (made("PNG")[:-200], "broken"),
        (made("JPEG")[:400], "broken"),
        (made("WEBP")[:-50], "image"),
        (made("GIF")[:-100], "broken"),
        (_huge(), "too many pixels"),
        (b"\x89PNG" + b"\0" * IMAGE_BYTES, "larger than 50 MB"),
    ],
    ids=range(15),
)
def test_what_no_model_can_see_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(NotAnImage, match=why):
        identify(raw)
    with pytest.raises(NotAnImage, match=why):
        data_url(raw)


@pytest.mark.parametrize(
    ("kind", "size", "expected"),
    [
        ("PNG", (SENT_SIDE * 2, 100), (SENT_SIDE, 50)),
        ("JPEG", (60, SENT_SIDE + 1_000), (40, SENT_SIDE)),
        ("GIF", (SENT_SIDE + 500, 500), (SENT_SIDE, 400)),
        ("WEBP", (SENT_SIDE * 4, 4), (SENT_SIDE, 1)),
    ],
)
def test_an_image_that_is_too_large_is_scaled_down(
    kind: str, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    head, raw = sent(made(kind, size))

    assert head == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(raw)).size == expected


def test_an_image_with_too_many_bytes_is_made_smaller() -> None:
    buffer = io.BytesIO()
    Image.effect_noise((1_500, 1_500), 100).convert("RGB").save(
        buffer, "PNG", compress_level=0
    )

    head, raw = sent(buffer.getvalue())

    assert len(buffer.getvalue()) > SENT_BYTES > len(raw)
    assert head == "data:image/jpeg;base64"


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_becomes_white(mode: str) -> None:
    buffer = io.BytesIO()
    clear = Image.new("RGBA", (SENT_SIDE + 1, 10), (0, 0, 0, 0))
    clear.convert(mode).save(
        buffer, "PNG", **({"transparency": 0} if mode == "P" else {})
    )

    _, raw = sent(buffer.getvalue())

    assert Image.open(io.BytesIO(raw)).getpixel((5, 5)) == (255, 255, 255)


def test_a_photograph_that_lies_on_its_side_is_sent_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turned by a quarter

    _, raw = sent(made("JPEG", (SENT_SIDE * 2, 100), exif=exif))

    assert Image.open(io.BytesIO(raw)).size == (50, SENT_SIDE)


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "CMYK"])
def test_every_kind_of_pixel_can_be_scaled_down(mode: str) -> None:
    buffer = io.BytesIO()
    kind = "JPEG" if mode == "CMYK" else "PNG"
    Image.new(mode, (SENT_SIDE + 1, 10)).save(buffer, kind)

    assert sent(buffer.getvalue())[0] == "data:image/jpeg;base64"


def moving(kind: str) -> bytes:
    buffer = io.BytesIO()
    first = Image.new("RGB", (8, 8), "red")
    rest = [Image.new("RGB", (8, 8), "blue")]
    first.save(buffer, kind, save_all=True, append_images=rest, lossless=True)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_a_moving_image_the_first_frame_is_sent(kind: str) -> None:
    head, raw = sent(moving(kind))

    image = Image.open(io.BytesIO(raw))
    assert head == "data:image/png;base64"
    assert getattr(image, "n_frames", 1) == 1
    assert image.convert("RGB").getpixel((4, 4)) == (255, 0, 0)


def test_a_gif_is_sent_as_a_png_which_every_provider_takes() -> None:
    raw = made("GIF")

    assert identify(raw).mime == "image/gif"
    assert sent(raw)[0] == "data:image/png;base64"


def test_a_cameras_jpeg_with_a_preview_behind_it_is_a_jpeg() -> None:
    raw = moving("MPO")

    assert identify(raw).format == "JPEG"
    assert sent(raw) == ("data:image/jpeg;base64", raw)


def test_what_is_sent_fits_the_strictest_provider() -> None:
    buffer = io.BytesIO()
    Image.effect_noise((2_500, 2_500), 200).convert("RGB").save(
        buffer, "JPEG", quality=100
    )
    noise = [Image.effect_noise((2_600, 2_600), 255) for _ in range(3)]
    coloured = io.BytesIO()
    Image.merge("RGB", noise).save(coloured, "PNG", compress_level=0)

    for raw in (buffer.getvalue(), coloured.getvalue()):
        assert len(data_url(raw)) < 3_800_000  # Groq: 4 MB with the prompt


def repeated_scans() -> bytes:
    """A JPEG of half a megabyte that keeps a decoder busy for minutes: each of its
    scans is a few bytes, and goes through the whole image."""
    buffer = io.BytesIO()
    Image.new("L", (8_000, 8_000), 120).save(buffer, "JPEG", progressive=True)
    raw = buffer.getvalue()
    scan = raw[raw.rindex(b"\xff\xda") : -2]
    return raw[:-2] + scan * (500_000 // len(scan)) + b"\xff\xd9"


def test_an_image_that_keeps_a_decoder_busy_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(image, "CPU_SECONDS", 2)
    raw = repeated_scans()

    assert len(raw) < 800_000
    with pytest.raises(NotAnImage, match="it cannot be decoded: it takes too long"):
        identify(raw)


def test_a_small_file_of_many_pixels_takes_bounded_memory() -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (9_400, 9_400), (1, 2, 3, 255)).save(buffer, "PNG")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    head, raw = sent(buffer.getvalue())

    assert len(buffer.getvalue()) < 1_000_000
    assert head == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(raw)).size == (SENT_SIDE, SENT_SIDE)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 100_000


def test_the_child_that_decodes_sees_no_key_and_imports_nothing_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "marker"
    hostile = f"open({str(marker)!r}, 'w').close()\n"
    for name in ("PIL", "json", "io", "resource", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(hostile, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", ".")

    assert identify(made("PNG")).format == "PNG"
    assert not marker.exists()
