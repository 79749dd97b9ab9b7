"""Finds the one figure of a solo picture and lifts it off a plain or transparent background.

A plain background is one colour or a smooth gradient: a colour plane ``1, x, y, xy`` is fitted to the picture's border
(top, left and right; the bottom may be figure). What is far from the plane in Lab, or near to it but cut off from the
border, is figure. Holes that the figure encloses, such as between an arm and the body, keep their old background.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]

NEAR = 10.0
"""Lab distance (CIE76) up to which a pixel counts as background."""
MIXTURE_ERROR = 20.0
"""RGB distance up to which a pixel on a figure's rim counts as a mixture of the two colours beside it."""
PLAIN_SHARE = 0.7
"""Of the border, how much must lie on the fitted plane."""


class NoFigureError(Exception):
    """The picture has no figure that could be cut out; the message says why."""


@dataclass(frozen=True)
class Figure:
    """A figure off its background, cropped to its bounding box.

    Attributes:
        color: (height, width, 3) RGB times coverage, 0..255.
        coverage: (height, width, 1), 0..1.
        box: (x0, y0, x1, y1) in the picture, pixels, end exclusive.
        size: (width, height) of the picture.
        stature: pixels from the top of the head to the bottom of the box: strands that stick out above do not count, or
            a character with an ahoge would be drawn smaller than one without.
        background: the fitted plane, (4, 3): RGB for ``1, x, y, xy`` with x and y in 0..1; ``None`` if transparent.
    """

    color: Floats
    coverage: Floats
    box: tuple[int, int, int, int]
    size: tuple[int, int]
    stature: int
    background: Floats | None

    @property
    def aspect(self) -> float:
        """Width ÷ height of the bounding box."""
        return (self.box[2] - self.box[0]) / (self.box[3] - self.box[1])

    @property
    def is_cropped(self) -> bool:
        """Whether the figure runs out of the picture at the bottom, as in an upper-body picture."""
        return self.box[3] >= self.size[1] - 1


def find_figure(picture: Picture) -> Figure:
    """Find the figure of a picture, (height, width, 3) RGB or (height, width, 4) RGBA.

    Raises:
        NoFigureError: no plain background, no figure, two figures, or one that is cut off at a side.
    """
    height, width = picture.shape[:2]
    if min(height, width) < 32:
        raise NoFigureError(f"the picture is only {width}x{height}")
    rgb = picture[..., :3].astype(np.float32)
    background: Floats | None = None
    if picture.shape[2] == 4 and (picture[..., 3] < 128).mean() > 0.02:
        coverage = (picture[..., 3:] / 255).astype(np.float32)
        mask = _main_component(coverage[..., 0] > 0.5)
        color = rgb * coverage
    else:
        background, distance = _fit_background(rgb)
        mask = _main_component(~_reachable(distance < NEAR))
        coverage = _coverage(rgb, mask, _plane(background, width, height))
        lifted = rgb - (1 - coverage) * _plane(background, width, height)
        color = np.clip(lifted, 0, 255 * coverage).astype(np.float32)
    alone = mask.astype(np.float32)[..., None]
    box = _checked_box(mask)
    cut = (slice(box[1], box[3]), slice(box[0], box[2]))
    return Figure((color * alone)[cut], (coverage * alone)[cut], box, (width, height), _stature(mask, box), background)


def paint_plane(background: Floats | None, width: int, height: int) -> Floats:
    """A canvas of a figure's background, (height, width, 3) RGB 0..255; white where it was transparent."""
    if background is None:
        return np.full((height, width, 3), 255, np.float32)
    return np.clip(_plane(background, width, height), 0, 255)


def _plane(background: Floats, width: int, height: int) -> Floats:
    x, y = np.meshgrid(np.linspace(0, 1, width, dtype=np.float32), np.linspace(0, 1, height, dtype=np.float32))
    return (np.stack([np.ones_like(x), x, y, x * y], axis=-1) @ background).astype(np.float32)


def _lab(rgb: Floats) -> Floats:
    return cv2.cvtColor(np.clip(rgb, 0, 255) / 255, cv2.COLOR_RGB2LAB).astype(np.float32)


def _fit_background(rgb: Floats) -> tuple[Floats, Floats]:
    """The plane of the border's colours, (4, 3), and each pixel's Lab distance to it, (height, width)."""
    height, width = rgb.shape[:2]
    strip = max(2, min(height, width) // 64)
    border = np.zeros((height, width), bool)
    border[:strip], border[:, :strip], border[:, -strip:] = True, True, True
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    terms = np.stack([np.ones_like(x), x, y, x * y], axis=-1)[border]
    colors = rgb[border].astype(np.float64)
    background: NDArray[np.floating] = np.zeros((4, 3))
    background[0] = np.median(colors, axis=0)
    for limit in (60.0, 40.0, 25.0, 15.0):  # RGB; narrowing leaves out the parts of a figure that touch the border
        kept = np.linalg.norm(colors - terms @ background, axis=1) < limit
        if kept.mean() < 0.3:
            break
        background = np.linalg.lstsq(terms[kept], colors[kept], rcond=None)[0]
    fitted = background.astype(np.float32)
    distance = np.linalg.norm(_lab(rgb) - _lab(_plane(fitted, width, height)), axis=-1)
    share = float((distance[border] < NEAR).mean())
    if share < PLAIN_SHARE:
        raise NoFigureError(f"the background is not plain: only {share:.0%} of the border has one colour or gradient")
    return fitted, distance.astype(np.float32)


def _reachable(near: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The part of `near` that is connected to the picture's border."""
    # A rim of one pixel joins whatever lies at the border.
    framed = np.pad(near, 1, constant_values=True).astype(np.uint8)
    _, labels = cv2.connectedComponents(framed, connectivity=4)
    reached: NDArray[np.bool_] = (labels == labels[0, 0])[1:-1, 1:-1]
    return reached


def _main_component(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The figure without specks."""
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(opened, connectivity=8)
    areas = statistics[1:, cv2.CC_STAT_AREA]
    if not len(areas) or areas.max() < 0.02 * mask.size:
        raise NoFigureError("nothing large enough stands out from the background")
    if np.sort(areas)[-2:][0] > 0.35 * areas.max() and len(areas) > 1:
        raise NoFigureError("two separate figures stand out from the background")
    kept = np.isin(labels, 1 + np.flatnonzero(areas >= 0.03 * areas.max()))
    # Opening shaved off thin strands; give back what touches the figure.
    grown: NDArray[np.bool_] = cv2.dilate(kept.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool) & mask
    return grown


def _coverage(rgb: Floats, mask: NDArray[np.bool_], plane: Floats) -> Floats:
    """How much of each pixel is figure, (height, width, 1): 1 inside, less on the rim where colours are mixed.

    On the rim a pixel may be a mixture ``a F + (1 - a) B`` of the background B and the figure's colour F just inside;
    where that explains its colour, it is solved for a by least squares. Outlines and strands are no mixture and stay.
    """
    inside = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.float32)[..., None]
    near = cv2.boxFilter(inside, -1, (5, 5), normalize=False)[..., None]
    own = cv2.boxFilter(rgb * inside, -1, (5, 5), normalize=False) / np.maximum(near, 1)
    contrast = own - plane
    mixed = ((rgb - plane) * contrast).sum(-1, keepdims=True) / np.maximum((contrast**2).sum(-1, keepdims=True), 1)
    mixed = np.clip(mixed, 0, 1)
    unexplained = np.linalg.norm(rgb - plane - mixed * contrast, axis=-1, keepdims=True)
    rim = mask[..., None] & (inside == 0) & (near > 0) & (unexplained < MIXTURE_ERROR)
    return np.where(rim, mixed, mask[..., None]).astype(np.float32)


def _stature(mask: NDArray[np.bool_], box: tuple[int, int, int, int]) -> int:
    """The height of the mask's solid part: what is thinner than a twelfth of it is shaved off at the top."""
    side = max(3, (box[3] - box[1]) // 12)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    solid = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel).any(axis=1)
    return box[3] - int(np.flatnonzero(solid)[0]) if solid.any() else box[3] - box[1]


def _checked_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    if box[3] - box[1] < 0.2 * height:
        raise NoFigureError(f"the figure is only {box[3] - box[1]} of {height} pixels high")
    for side, column in (("left", 0), ("right", width - 1)):
        if mask[:, column].sum() > 0.04 * height:
            raise NoFigureError(f"the figure, or a background that is not plain, is cut off at the {side} edge")
    return box
