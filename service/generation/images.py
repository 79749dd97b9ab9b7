"""Images that are none, and checkpoints that change nothing."""

from __future__ import annotations

import numpy as np
from PIL import Image

from service.generation.port import Pixels

NOT_A_NUMBER = "not a number"
BLACK = "black"
NEAR_CONSTANT = "near-constant"
REASONS = (NOT_A_NUMBER, BLACK, NEAR_CONSTANT)

BATCH_TOLERANCE = 1
"""Grey levels by which the same cell may differ between batches."""

_DARKEST = 8
_BRIGHTER = 0.001
"""The share of values above the darkest that a black image may have."""
_FLATTEST = 2.0


def invalid_reason(pixels: Pixels, finite: bool = True) -> str | None:
    """Why an image cannot be judged, or ``None``.

    Args:
        pixels: uint8, (height, width, 3).
        finite: whether the latents and the decoded image were free of NaN and infinity.

    Returns:
        ``not a number``; ``black`` if 99.9 % of all values are at most 8; ``near-constant`` if the values of each
        channel deviate by less than 2 grey levels (standard deviation over the picture). Both are read off a
        histogram, which takes a few milliseconds where the GPU waits for the next batch.
    """
    if not finite:
        return NOT_A_NUMBER
    counts = np.array(Image.fromarray(pixels).histogram()).reshape(3, 256)
    if counts[:, _DARKEST + 1 :].sum() <= _BRIGHTER * counts.sum():
        return BLACK
    levels = np.arange(256)
    mean = counts @ levels / counts.sum(axis=1)
    variance = (counts * (levels - mean[:, None]) ** 2).sum(axis=1) / counts.sum(axis=1)
    return NEAR_CONSTANT if variance.max() < _FLATTEST**2 else None


def changes_nothing(image: Pixels, control: Pixels) -> bool:
    """The canary: whether a checkpoint's image is the control's, to within what batching alone may change.

    Args:
        image: the first image of a checkpoint at a scale other than 0.
        control: the same prompt and seed on the base without it.
    """
    if image.shape != control.shape:
        return False
    return int(np.abs(image.astype(np.int16) - control.astype(np.int16)).max()) <= BATCH_TOLERANCE
