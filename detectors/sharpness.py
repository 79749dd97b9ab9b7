"""How sharp the people and the background of a picture are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.crops import FRAME_SIZE

# Fewer pixels than this share of the picture say nothing.
_LEAST_SHARE = 0.01


def sharpness(
    image: NDArray[np.uint8], masks: Sequence[NDArray[np.bool_]], factor: float
) -> tuple[float | None, float | None]:
    """Mean absolute Laplacian of the grey picture, 0 and up, over the people and over everything else.

    Args:
        image: (H, W, 3) RGB, at its own size: what is lost by shrinking counts.
        masks: the people, (FRAME_SIZE, FRAME_SIZE) each.
        factor: from image to frame pixels.

    Returns:
        Of people and of background; ``None`` where there is too little of it.
    """
    import cv2

    height, width = image.shape[:2]
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    edges = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
    union = np.zeros((FRAME_SIZE, FRAME_SIZE), bool)
    for mask in masks:
        union |= mask
    part = union[: max(1, round(height * factor)), : max(1, round(width * factor))]
    people = cv2.resize(part.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    # A band at the outline belongs to neither: its contrast is that between a person and the background.
    side = max(3, round(0.012 * max(height, width)) * 2 + 1)
    kernel = np.ones((side, side), np.uint8)
    around = cv2.dilate(people.astype(np.uint8), kernel) > 0
    return _mean(edges, people), _mean(edges, ~around)


def _mean(edges: NDArray[np.float32], where: NDArray[np.bool_]) -> float | None:
    return float(edges[where].mean()) if where.mean() >= _LEAST_SHARE else None
