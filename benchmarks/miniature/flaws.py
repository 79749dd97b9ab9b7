"""Faults of a finished picture, as over-trained models make them: doubled contours, leftovers, burnt colours."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def double(image: Picture, mask: Mask, rng: np.random.Generator) -> None:
    """Show a person a second time, faint and a few pixels aside; in place.

    Args:
        image: (H, W, 3) RGB.
        mask: (H, W), the person.
        rng: decides how far and how faint.
    """
    reach = max(3.0, 0.045 * np.sqrt(max(int(mask.sum()), 1)))
    angle = rng.uniform(0, 2 * np.pi)
    shift = (np.cos(angle) * reach * rng.uniform(1.0, 1.7), np.sin(angle) * reach * rng.uniform(1.0, 1.7))
    move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
    size = (image.shape[1], image.shape[0])
    moved = cv2.warpAffine(image, move, size, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(mask.astype(np.float32), move, size) * rng.uniform(0.4, 0.6)
    image[:] = _blend(image, moved, alpha)


def leave_over(image: Picture, head: Mask, rng: np.random.Generator) -> None:
    """Show a person's head a second time, faint and half a head or more aside; in place.

    Args:
        image: (H, W, 3) RGB.
        head: (H, W), head and hair.
        rng: decides where and how faint.
    """
    if not head.any():
        return
    columns = np.flatnonzero(head.any(axis=0))
    width = float(columns[-1] - columns[0] + 1)
    side = 1 if rng.random() < 0.5 else -1
    move = np.array([[1, 0, side * width * rng.uniform(0.45, 0.75)], [0, 1, width * rng.uniform(-0.35, 0.2)]])
    size = (image.shape[1], image.shape[0])
    moved = cv2.warpAffine(image, move, size, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.GaussianBlur(cv2.warpAffine(head.astype(np.float32), move, size), (0, 0), 1.5)
    image[:] = _blend(image, moved, alpha * rng.uniform(0.35, 0.55))


def burn(image: Picture, rng: np.random.Generator) -> None:
    """Drive colours and contrast of a whole picture (H, W, 3) far over the top, with halos at edges; in place."""
    pixels = image.astype(np.float32)
    soft = cv2.GaussianBlur(pixels, (0, 0), 1.6)
    pixels = pixels + (pixels - soft) * rng.uniform(1.2, 2.4)
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + (pixels - grey) * rng.uniform(1.7, 2.4)
    image[:] = np.clip((pixels - 128) * rng.uniform(1.5, 2.1) + 128, 0, 255).astype(np.uint8)


def _blend(under: Picture, over: NDArray[np.generic], alpha: NDArray[np.float32]) -> Picture:
    weight = alpha[..., None]
    return np.asarray(under * (1 - weight) + np.asarray(over, np.float32) * weight, np.uint8)
