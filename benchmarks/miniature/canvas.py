"""The drawing surface: outlined shapes, and beside every pixel whose part it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.miniature.palette import LINE, RGB

Points = NDArray[np.float64]
SUPERSAMPLE = 2
_SHIFT = 4  # fixed-point bits of sub-pixel coordinates in OpenCV's drawing calls

# Part codes of the label map; a label is ``person * 16 + code``, 0 is background.
CODES = {
    "skin": 1,
    "head": 2,
    "hair": 3,
    "ahoge": 4,
    "body": 5,
    "arm": 6,
    "hand0": 7,
    "hand1": 8,
    "leg": 9,
    "ribbon": 10,
}


@dataclass
class Canvas:
    """An RGB picture at twice the final size and a label map at the final size; outlines in ``ink``."""

    size: int
    ink: RGB = LINE
    weight: float = 1.0
    image: NDArray[np.uint8] = field(init=False)
    labels: NDArray[np.uint8] = field(init=False)

    def __post_init__(self) -> None:
        self.image = np.full((self.size * SUPERSAMPLE, self.size * SUPERSAMPLE, 3), 255, np.uint8)
        self.labels = np.zeros((self.size, self.size), np.uint8)

    def finished(self) -> NDArray[np.uint8]:
        """The picture at its final size, (size, size, 3)."""
        return np.asarray(cv2.resize(self.image, (self.size, self.size), interpolation=cv2.INTER_AREA), np.uint8)


def _fixed(points: Points, scale: float) -> NDArray[np.int32]:
    return np.rint((points * scale - 0.5 + 0.5 * (scale == 1)) * (1 << _SHIFT)).astype(np.int32)


@dataclass(frozen=True)
class Pen:
    """Draws one person's shapes through an affine map (3 x 2, row vectors: ``[x, y, 1] @ matrix``)."""

    canvas: Canvas
    person: int
    matrix: Points
    line: float = 1.5

    @classmethod
    def at(cls, canvas: Canvas, person: int, x: float, y: float, scale: float, degrees: float = 0.0) -> Pen:
        """A pen whose origin is ``(x, y)`` in pixels, enlarged and turned (clockwise in the picture)."""
        return cls(canvas, person, _affine(x, y, scale, degrees), max(1.0, 1.5 * scale * canvas.weight))

    def stretched(self, width: float) -> Pen:
        """The same pen with everything wider or narrower."""
        return Pen(self.canvas, self.person, self.matrix * [[width], [1.0], [1.0]], self.line)

    def child(self, x: float, y: float, degrees: float = 0.0, scale: float = 1.0) -> Pen:
        """A pen with its own origin and turn inside this one."""
        local = _affine(x, y, scale, degrees)
        linear = self.matrix[:2]
        matrix = np.vstack([local[:2] @ linear, local[2] @ linear + self.matrix[2]])
        return Pen(self.canvas, self.person, matrix, self.line)

    @property
    def scale(self) -> float:
        """Pixels for one unit."""
        return float(np.hypot(*self.matrix[0]))

    def place(self, points: ArrayLike) -> Points:
        """Local points (N, 2) in picture pixels."""
        array = np.asarray(points, float).reshape(-1, 2)
        return array @ self.matrix[:2] + self.matrix[2]

    def polygon(self, points: ArrayLike, color: RGB, part: str | None, outline: bool = True) -> None:
        """Fill a polygon; ``part=None`` leaves the labels as they are (details on top of a part)."""
        placed = self.place(points)
        fine, image = _fixed(placed, SUPERSAMPLE), self.canvas.image
        cv2.fillPoly(image, [fine], color, cv2.LINE_AA, _SHIFT)
        width = max(1, round(self.line * SUPERSAMPLE))
        if outline:
            cv2.polylines(image, [fine], True, self.canvas.ink, width, cv2.LINE_AA, _SHIFT)
        if part is not None:
            coarse, label = _fixed(placed, 1), self._label(part)
            cv2.fillPoly(self.canvas.labels, [coarse], label, cv2.LINE_8, _SHIFT)
            if outline:
                cv2.polylines(self.canvas.labels, [coarse], True, label, max(1, round(self.line)), cv2.LINE_8, _SHIFT)

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, color: RGB, part: str | None, outline: bool = True
    ) -> None:
        """Fill an ellipse around ``(x, y)``."""
        self.polygon(_UNIT_CIRCLE * (rx, ry) + (x, y), color, part, outline)

    def strokes(self, lines: Sequence[tuple[ArrayLike, float, RGB]], part: str | None, outline: bool = True) -> None:
        """Thick round-ended lines ``(points, width, color)`` with one outline around all of them together."""
        placed = [(self.place(points), width * self.scale, color) for points, width, color in lines]
        if outline:
            for points, width, _ in placed:
                thick = max(1, round((width + 2 * self.line) * SUPERSAMPLE))
                fine = _fixed(points, SUPERSAMPLE)
                cv2.polylines(self.canvas.image, [fine], False, self.canvas.ink, thick, cv2.LINE_AA, _SHIFT)
        for points, width, color in placed:
            thick = max(1, round(width * SUPERSAMPLE))
            cv2.polylines(self.canvas.image, [_fixed(points, SUPERSAMPLE)], False, color, thick, cv2.LINE_AA, _SHIFT)
        if part is not None:
            for points, width, _ in placed:
                thick = max(1, round(width + 2 * self.line * outline))
                cv2.polylines(self.canvas.labels, [_fixed(points, 1)], False, self._label(part), thick, 8, _SHIFT)

    def _label(self, part: str) -> int:
        return (self.person + 1) * 16 + CODES[part]


def _affine(x: float, y: float, scale: float, degrees: float) -> Points:
    angle = np.deg2rad(degrees)
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    return np.array([[cos, sin], [-sin, cos], [x, y]])


_UNIT_CIRCLE = np.stack([np.cos(np.linspace(0, 2 * np.pi, 22)[:-1]), np.sin(np.linspace(0, 2 * np.pi, 22)[:-1])], 1)


def curve(*controls: tuple[float, float], steps: int = 8) -> Points:
    """A Bezier curve through its control points' hull, (steps, 2), by de Casteljau's construction."""
    points = np.repeat(np.asarray(controls, float)[None], steps, 0)
    t = np.linspace(0, 1, steps)[:, None, None]
    while points.shape[1] > 1:
        points = points[:, :-1] * (1 - t) + points[:, 1:] * t
    return points[:, 0]
