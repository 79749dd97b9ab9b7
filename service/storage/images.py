"""Images by content: a lossless PNG or WebP whose name is the SHA-256 of its bytes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from service.errors import NotFound, StorageFailed
from service.storage.files import whole_file

Pixels = NDArray[np.uint8]

_NAME = re.compile(r"[0-9a-f]{64}")
ImageFormat = Literal["png", "webp"]
FORMATS: dict[ImageFormat, dict[str, Any]] = {
    "png": {"format": "PNG", "compress_level": 6},
    # The least effort is already smaller than PNG in less time; more saves little and keeps a GPU waiting.
    "webp": {"format": "WEBP", "lossless": True, "quality": 0, "method": 0},
}
"""The lossless formats, with Pillow's options."""
KEPT_SIZES = (160, 192)
"""Pixels: the API's own choice and the pages'. Of 1024 x 1024 pixels one takes 80 ms to make, and 6 kB to keep."""


class ImageStore:
    """A folder of images, spread over 256 subfolders.

    Args:
        folder: where they lie.
        image_format: what new ones are written as; those of the other format stay readable.
    """

    def __init__(self, folder: Path, image_format: ImageFormat = "png") -> None:
        self.folder = folder
        self._format: ImageFormat = image_format

    def path(self, sha256: str) -> Path:
        """Where the image of that hash lies, or would lie as a new one.

        Raises:
            NotFound: this is no SHA-256.
        """
        if not _NAME.fullmatch(sha256):
            raise NotFound(f"{sha256[:80]!r} is not the name of an image (64 hexadecimal digits)")
        places = [self.folder / sha256[:2] / f"{sha256}.{suffix}" for suffix in (self._format, *FORMATS)]
        return next((place for place in places if place.is_file()), places[0])

    def encode(self, pixels: Pixels) -> bytes:
        """The bytes that (H, W, 3) RGB pixels are stored as."""
        from PIL import Image

        buffer = BytesIO()
        Image.fromarray(pixels).save(buffer, **FORMATS[self._format])
        return buffer.getvalue()

    def put(self, pixels: Pixels) -> str:
        """Store (H, W, 3) RGB pixels and return the name. Storing the same pixels again writes nothing.

        Raises:
            StorageFailed: the disk is full or cannot be written; no part of the image is left behind.
        """
        content = self.encode(pixels)
        sha256 = hashlib.sha256(content).hexdigest()
        target = self.path(sha256)
        if not target.exists():
            with whole_file(target) as file:
                file.write(content)
        return sha256

    def exists(self, sha256: str) -> bool:
        """Whether the image is there."""
        return self.path(sha256).is_file()

    def remove(self, names: Iterable[str]) -> None:
        """Remove images, with what was made small of them; one that is not there is fine."""
        for sha256 in names:
            for path in (self.path(sha256), *(self._small(sha256, size) for size in KEPT_SIZES)):
                with suppress(OSError):  # a file that stays takes room, and nothing else
                    path.unlink(missing_ok=True)

    def small(self, sha256: str, size: int, make: Callable[[Pixels, int], bytes]) -> bytes:
        """An image made small; in one of :data:`KEPT_SIZES` it is made once and kept beside the image.

        Args:
            sha256: the image.
            size: pixels of its longer side.
            make: from the pixels and the size to the bytes of a WebP.

        Raises:
            NotFound: the image is not there, or damaged.
        """
        kept = self._small(sha256, size)
        if size not in KEPT_SIZES or not self.exists(sha256):
            return make(self.load(sha256), size)
        try:
            return kept.read_bytes()
        except OSError:
            content = make(self.load(sha256), size)
        with suppress(StorageFailed), whole_file(kept) as file:  # a full disk is no reason to show nothing
            file.write(content)
        return content

    def _small(self, sha256: str, size: int) -> Path:
        return self.folder / sha256[:2] / f"{sha256}.small-{size}.webp"

    def load(self, sha256: str) -> Pixels:
        """The pixels, (H, W, 3) RGB.

        Raises:
            NotFound: it is not there, or its bytes are not what its name says; a damaged file is removed, so that the
                image is made again.
        """
        from PIL import Image

        path = self.path(sha256)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise NotFound(f"there is no image {sha256}") from None
        if hashlib.sha256(content).hexdigest() != sha256:
            path.unlink(missing_ok=True)
            raise NotFound(f"image {sha256} was damaged and has been removed; resume the evaluation to make it again")
        return np.asarray(Image.open(BytesIO(content)).convert("RGB"))
