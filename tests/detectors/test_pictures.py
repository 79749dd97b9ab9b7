"""Every kind of picture file becomes 8-bit RGB or a sentence that names it; nothing crashes."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from detectors.errors import UnreadablePicture
from detectors.pictures import read_picture

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (40, 30, 3), dtype=np.uint8)


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16"])
def test_every_colour_mode(mode: str, tmp_path: Path) -> None:
    suffix = "jpg" if mode == "CMYK" else "png"
    if mode == "I;16":
        image = Image.fromarray(RNG.integers(0, 65536, (40, 30)).astype(np.uint16))
    else:
        image = Image.fromarray(COLOURS).convert(mode)
    pixels = read_picture(saved(tmp_path / f"picture.{suffix}", image))
    assert (pixels.shape, pixels.dtype) == ((40, 30, 3), np.uint8)
    assert pixels.std() > 20


def test_colours_stay_what_they_are(tmp_path: Path) -> None:
    assert np.array_equal(read_picture(saved(tmp_path / "a.png", Image.fromarray(COLOURS))), COLOURS)
    assert np.array_equal(read_picture(saved(tmp_path / "a.webp", Image.fromarray(COLOURS), lossless=True)), COLOURS)


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    image.putpixel((0, 0), (255, 0, 0, 255))
    pixels = read_picture(saved(tmp_path / "alpha.png", image))
    assert pixels[0, 0].tolist() == [255, 0, 0]
    assert pixels[5, 5].tolist() == [255, 255, 255]
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([0, 0, 0] * 256)
    assert read_picture(saved(tmp_path / "palette.png", palette, transparency=0)).min() == 255


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    levels = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    pixels = read_picture(saved(tmp_path / "deep.png", Image.fromarray(levels)))
    assert pixels[..., 0].ravel().tolist() == list(range(256))


def test_one_pixel(tmp_path: Path) -> None:
    assert read_picture(saved(tmp_path / "one.png", Image.new("RGB", (1, 1), (1, 2, 3)))).tolist() == [[[1, 2, 3]]]


def test_a_camera_held_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    assert read_picture(saved(tmp_path / "turned.jpg", Image.fromarray(COLOURS), exif=exif)).shape == (30, 40, 3)


def test_eight_thousand_by_eight_thousand_is_read(tmp_path: Path) -> None:
    assert read_picture(saved(tmp_path / "large.png", Image.new("L", (8000, 8000), 7))).shape == (8000, 8000, 3)


def bomb(width: int, height: int) -> bytes:
    """A PNG of some hundred bytes that claims to be huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [9_500, 20_000, 60_000])
def test_a_bomb_is_refused_before_it_is_unpacked(side: int, tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(bomb(side, side))
    with pytest.raises(UnreadablePicture, match=r"bomb\.png"):
        read_picture(tmp_path / "bomb.png")


@pytest.mark.parametrize(
    "content",
    [b"", b"nothing", b"GIF89a" + bytes(50), b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0" + bytes(20), b"BM" + bytes(60)],
)
def test_what_is_no_picture_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(UnreadablePicture, match=r"broken\.png"):
        read_picture(tmp_path / "broken.png")


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.png", tmp_path):
        with pytest.raises(UnreadablePicture, match=str(path)):
            read_picture(path)


@pytest.mark.parametrize("kind", ["png", "jpg", "webp"])
def test_a_picture_that_is_cut_off_is_refused(kind: str, tmp_path: Path) -> None:
    whole = saved(tmp_path / f"whole.{kind}", Image.fromarray(COLOURS)).read_bytes()
    (tmp_path / f"cut.{kind}").write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(UnreadablePicture, match="cut"):
        read_picture(tmp_path / f"cut.{kind}")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["PNG", "JPEG", "WEBP"]),
    flips=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=12),
    cut=st.integers(0, 4000),
)
def test_any_damage_ends_in_a_picture_or_a_sentence(
    kind: str, flips: list[tuple[int, int]], cut: int, tmp_path: Path
) -> None:
    buffer = io.BytesIO()
    Image.fromarray(COLOURS).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    for place, value in flips:
        content[place % len(content)] = value
    path = tmp_path / "damaged.bin"
    path.write_bytes(bytes(content[: max(1, len(content) - cut % 200)]))
    told = ""
    pixels = np.zeros((1, 1, 3), np.uint8)
    try:
        pixels = read_picture(path)
    except UnreadablePicture as error:
        told = str(error)
    assert not told or "damaged.bin" in told
    assert (pixels.ndim, pixels.shape[2], pixels.dtype) == (3, 3, np.uint8)
