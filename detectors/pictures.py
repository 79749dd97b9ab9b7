"""Reading picture files that anybody may have made: any colour mode becomes 8-bit RGB, whatever is wrong is said."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from detectors.errors import UnreadablePicture

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "WEBP")
"""Formats that are read; any other is refused by its content, whatever its name."""

MOST_PIXELS = 89_478_485
"""Largest picture that is read: 256 MB of RGB, more than 9,000 x 9,000. Larger ones are taken for a bomb."""

# What is behind a transparent picture: the taggers were trained on white.
_PAPER = (255, 255, 255)


def read_picture(path: Path, most_pixels: int = MOST_PIXELS) -> NDArray[np.uint8]:
    """Read a PNG, JPEG or WebP file.

    Grey, palette, CMYK and 16-bit pictures become 8-bit RGB; transparency is laid over white; a camera's orientation is
    applied; of an animation the first picture is taken.

    Args:
        path: the file.
        most_pixels: width times height above which it is refused before it is decoded.

    Returns:
        (height, width, 3), uint8.

    Raises:
        UnreadablePicture: there is no such file, it is no picture, it is cut off or too large. Names the file.
    """
    from PIL import Image, ImageOps

    if not path.is_file():
        raise UnreadablePicture(f"{path} is no readable picture: there is no such file")
    if not path.stat().st_size:
        raise UnreadablePicture(f"{path} is no readable picture: the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as opened:
                _refuse_large(path, opened.size, most_pixels)
                opened.load()
                return _as_rgb(ImageOps.exif_transpose(opened))
    except UnreadablePicture:
        raise
    except Exception as error:  # decoders raise whatever they stumble over: OSError, SyntaxError, struct.error, ...
        told = (str(error).strip().splitlines() or [""])[0] or type(error).__name__
        raise UnreadablePicture(f"{path} is no readable picture (PNG, JPEG or WebP): {told}") from error


def _refuse_large(path: Path, size: tuple[int, int], most: int) -> None:
    width, height = size
    if width * height > most:
        raise UnreadablePicture(
            f"{path} has {width} x {height} pixels, more than the {most:,} that are read; make it smaller first"
        )


def _as_rgb(image: Image) -> NDArray[np.uint8]:
    """Any colour mode as (H, W, 3) of 8 bit."""
    from PIL import Image as Pictures

    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _grey(np.asarray(image), sixteen=image.mode.startswith("I;16"))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        drawn = image.convert("RGBA")
        paper = Pictures.new("RGBA", drawn.size, (*_PAPER, 255))
        image = Pictures.alpha_composite(paper, drawn)
    return np.ascontiguousarray(image.convert("RGB"), np.uint8)


def _grey(values: NDArray[np.generic], sixteen: bool) -> NDArray[np.uint8]:
    """Grey values of more than 8 bit as RGB: Pillow's own conversion would clip them at 255."""
    levels = np.nan_to_num(np.asarray(values, np.float64))
    # 32-bit files hold 8-bit or 16-bit values; nothing in them says which.
    scale = 257.0 if sixteen or levels.max(initial=0) > 255 else 1.0
    grey = np.clip(np.rint(levels / scale), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, 2)
