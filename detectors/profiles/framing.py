"""What the profiles of public models share: people of the image's pixels put into the frame that the checks use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors.context import Mask
from detectors.crops import FRAME_SIZE, Box
from detectors.expectations import Character
from detectors.pictures import read_picture
from detectors.profiles.bodies import Body
from detectors.weights import sha256_of

Image = NDArray[np.uint8]
Features = NDArray[np.float32]


def frame_factor(image: Image) -> float:
    """From image to frame pixels."""
    return FRAME_SIZE / max(image.shape[:2])


def framed(box: Box, factor: float) -> Box:
    """A box of the image in frame pixels."""
    x0, y0, x1, y1 = (float(value * factor) for value in box)
    return (x0, y0, x1, y1)


def frame_mask(body: Body, factor: float) -> Mask:
    """A person's mask in the frame: her own, or all of her box where the detector gives boxes only."""
    import cv2

    mask = np.zeros((FRAME_SIZE, FRAME_SIZE), bool)
    if body.mask is not None:
        height, width = (max(1, round(side * factor)) for side in body.mask.shape)
        small = cv2.resize(body.mask.astype(np.uint8) * 255, (width, height), interpolation=cv2.INTER_AREA) >= 128
        mask[:height, :width] = small[:FRAME_SIZE, :FRAME_SIZE]
        return mask
    x0, y0, x1, y1 = framed(body.box, factor)
    mask[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = True
    return mask


class References:
    """Features of the characters' reference pictures, computed once per file as long as it stays the same."""

    def __init__(self, features: Callable[[Image], Features]) -> None:
        self._features = features
        self._known: dict[str, Features] = {}

    def of(self, cast: Sequence[Character]) -> Mapping[str, list[Features]]:
        """The features of each character that has reference pictures.

        Raises:
            UnreadablePicture: a reference is no readable picture; names it.
        """
        return {each.name: [self._of(Path(path)) for path in each.references] for each in cast if each.references}

    def _of(self, path: Path) -> Features:
        key = sha256_of(path) if path.is_file() else ""
        if key not in self._known:
            self._known[key] = self._features(read_picture(path))
        return self._known[key]
