"""What is exactly true about a drawing: masks, hands, who is who."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.miniature.scenes import Look, Scene

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

PARTS = ("skin", "head", "hair", "ahoge", "body", "arm", "hand", "leg", "ribbon")
HAND_STATES = ("holds", "minor", "fused", "lost", "occluded")


@dataclass(frozen=True)
class HandTruth:
    """One hand: ``side`` ("left" or "right" in the picture), its state, and where it is or should be.

    ``box`` is ``(x0, y0, x1, y1)`` in pixels, for a lost hand the place where it belongs. ``keypoints`` is (6, 2):
    wrist, then the five finger tips, NaN where there is none. ``gripping`` says that it holds the other person.
    """

    side: str
    state: str
    box: tuple[float, float, float, float]
    keypoints: NDArray[np.float32]
    gripping: bool


@dataclass(frozen=True)
class PersonTruth:
    """One drawn person, masks of *visible* pixels only, each (H, W)."""

    look: Look
    mask: Mask
    parts: dict[str, Mask]
    head_box: tuple[float, float, float, float]
    hands: tuple[HandTruth, ...]
    extra: bool = False


@dataclass(frozen=True)
class Drawing:
    """A drawing and its truth. ``image`` is (H, W, 3) RGB; ``people`` in the scene's own order."""

    scene: Scene
    image: Image
    people: tuple[PersonTruth, ...]
    contact: Mask
