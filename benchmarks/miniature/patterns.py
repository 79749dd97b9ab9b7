"""A background that shows nothing: random shapes in random colours, for training detectors alone.

Whoever has seen only eight places takes whatever is new behind a head for hair. Bars, strands and patches in every
colour, hair colours among them, teach that what lies behind a person says nothing about her.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.miniature.palette import HAIR, LINE, RGB, SKIN, shade

Picture = NDArray[np.uint8]
_HAIR = tuple(HAIR.values())
_KNOB_SHARE = 0.4


def paint_patterns(image: Picture, rng: np.random.Generator) -> None:
    """Fill the picture (H, W, 3) with up to three layers of shapes, in place."""
    _fill(image, rng)
    for _ in range(int(rng.integers(0, 4))):
        _LAYERS[int(rng.integers(len(_LAYERS)))](image, rng)


def paint_rows(image: Picture, rng: np.random.Generator) -> None:
    """Fill the picture (H, W, 3) with many things as thin as a strand of hair, in place.

    Rows of narrow boxes, stripes, slats and tapering stalks that rise as a strand does: the backgrounds before which a
    strand is one more stroke among others. Four of ten have small pale things besides, which are no hands.
    """
    _fill(image, rng)
    if rng.random() < 0.5:
        _LAYERS[int(rng.integers(len(_LAYERS)))](image, rng)
    for _ in range(int(rng.integers(1, 3))):
        _THIN[int(rng.integers(len(_THIN)))](image, rng)
    if rng.random() < _KNOB_SHARE:
        _knobs(image, rng)


def _color(rng: np.random.Generator) -> RGB:
    if rng.random() < 0.3:
        return _HAIR[int(rng.integers(len(_HAIR)))]
    r, g, b = (int(v) for v in rng.integers(10, 250, 3))
    return r, g, b


def _fill(image: Picture, rng: np.random.Generator) -> None:
    first, last = (np.array(_color(rng), np.float64) for _ in range(2))
    if rng.random() < 0.3:
        last = first
    steps = np.linspace(0, 1, len(image))[:, None]
    ramp = (first * (1 - steps) + last * steps).astype(np.uint8)
    image[:] = ramp[:, None] if rng.random() < 0.5 else ramp[None]


def _bars(image: Picture, rng: np.random.Generator) -> None:
    """Upright or lying boxes side by side, in rows."""
    n, turned = len(image), bool(rng.random() < 0.3)
    line = int(rng.integers(0, 3))
    thin = rng.uniform(0.012, 0.08)
    for top in np.arange(rng.uniform(-0.1, 0.2), rng.uniform(0.4, 1.0), rng.uniform(0.12, 0.35)):
        x, height = rng.uniform(-0.05, 0.05), rng.uniform(0.06, 0.3)
        while x < 1:
            width = thin * rng.uniform(0.6, 1.6)
            low, high = (x, top + height * rng.uniform(0, 0.3)), (x + width, top + height)
            corners = [(int(a * n), int(b * n)) if not turned else (int(b * n), int(a * n)) for a, b in (low, high)]
            cv2.rectangle(image, corners[0], corners[1], _color(rng), -1)
            if line:
                cv2.rectangle(image, corners[0], corners[1], LINE, line, cv2.LINE_AA)
            x += width


def _strands(image: Picture, rng: np.random.Generator) -> None:
    """Straight and bent strokes, thin as a strand or thick as an arm, with or without an outline."""
    n = len(image)
    outlined, thick = bool(rng.random() < 0.5), rng.uniform(0.006, 0.04)
    t = np.linspace(0, 1, 12)[:, None]
    for _ in range(int(rng.integers(4, 22))):
        start, length = rng.uniform(0, 1, 2), rng.uniform(0.08, 0.6)
        middle, end = (start + rng.normal(0, length / 2, 2) for _ in range(2))
        points = ((1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end) * n
        path, width = [points.astype(np.int32)], max(1, int(n * thick * rng.uniform(0.5, 1.5)))
        if outlined:
            cv2.polylines(image, path, False, LINE, width + 4, cv2.LINE_AA)
        cv2.polylines(image, path, False, _color(rng), width, cv2.LINE_AA)


def _patches(image: Picture, rng: np.random.Generator) -> None:
    """Round and pointed patches."""
    n, line = len(image), int(rng.integers(0, 4))
    for _ in range(int(rng.integers(3, 20))):
        center, size = rng.uniform(0, n, 2), n * rng.uniform(0.015, 0.14)
        turn = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 7))))
        if rng.random() < 0.5:
            turn = np.linspace(0, 2 * np.pi, 20)
        stretch = np.array([1.0, rng.uniform(0.4, 1.0)])
        points = (center + np.stack([np.cos(turn), np.sin(turn)], 1) * size * stretch).astype(np.int32)
        cv2.fillPoly(image, [points], _color(rng), cv2.LINE_AA)
        if line:
            cv2.polylines(image, [points], True, LINE, line, cv2.LINE_AA)


def _grid(image: Picture, rng: np.random.Generator) -> None:
    """Squares in two colours, over all of the picture or a part of it."""
    n = len(image)
    step = max(3, int(n * rng.uniform(0.02, 0.12)))
    y, x = np.mgrid[:n, :n] // step
    region = np.ones((n, n), bool) if rng.random() < 0.4 else np.mgrid[:n, :n][0] > n * rng.uniform(0.3, 0.8)
    image[((x + y) % 2 == 0) & region] = _color(rng)
    if rng.random() < 0.5:
        image[((x + y) % 2 == 1) & region] = _color(rng)


def _dots(image: Picture, rng: np.random.Generator) -> None:
    """Many small spots."""
    n, color = len(image), _color(rng)
    for x, y in rng.uniform(0, n, (int(rng.integers(20, 90)), 2)):
        cv2.circle(image, (int(x), int(y)), max(1, int(n * rng.uniform(0.003, 0.014))), color, -1, cv2.LINE_AA)


_LAYERS: tuple[Callable[[Picture, np.random.Generator], None], ...] = (
    _bars,
    _strands,
    _strands,
    _patches,
    _grid,
    _dots,
)


def _slats(image: Picture, rng: np.random.Generator) -> None:
    """Upright or slanted lines all over a band of the picture, of one or of a few colours."""
    n = len(image)
    colors = [_color(rng) for _ in range(int(rng.integers(1, 5)))]
    low, high = sorted(rng.uniform(-0.2, 1.2, 2)) if rng.random() < 0.6 else (-0.1, 1.1)
    thick, gap, slant = rng.uniform(0.004, 0.03), rng.uniform(0.0, 0.05), rng.normal(0, 0.15)
    line = int(rng.integers(0, 3))
    x = rng.uniform(-0.2, 0)
    while x < 1.2:
        width = thick * rng.uniform(0.7, 1.4)
        corners = [(x, low), (x + width, low), (x + width + slant, high), (x + slant, high)]
        points = [(np.array(corners) * n).astype(np.int32)]
        cv2.fillPoly(image, points, colors[int(rng.integers(len(colors)))], cv2.LINE_AA)
        if line:
            cv2.polylines(image, points, True, LINE, line, cv2.LINE_AA)
        x += width + gap * rng.uniform(0.5, 1.5)


def _crowded_shelves(image: Picture, rng: np.random.Generator) -> None:
    """Rows of narrow boxes of uneven height on boards."""
    n, line, board = len(image), int(rng.integers(0, 3)), _color(rng)
    thin, step = rng.uniform(0.008, 0.045), rng.uniform(0.09, 0.3)
    palette = [_color(rng) for _ in range(int(rng.integers(2, 24)))]
    for bottom in np.arange(rng.uniform(0.0, step), 1.1, step):
        x = rng.uniform(-0.05, 0.02)
        while x < 1:
            width = thin * rng.uniform(0.5, 1.6)
            if rng.random() < 0.95:
                top = bottom - step * rng.uniform(0.45, 0.95)
                corners = (int(x * n), int(top * n)), (int((x + width) * n), int(bottom * n))
                cv2.rectangle(image, *corners, palette[int(rng.integers(len(palette)))], -1)
                if line:
                    cv2.rectangle(image, *corners, LINE, line, cv2.LINE_AA)
            x += width
        if rng.random() < 0.8:
            cv2.rectangle(image, (0, int(bottom * n)), (n, int((bottom + 0.02) * n)), board, -1)


def _stalks(image: Picture, rng: np.random.Generator) -> None:
    """Bent blades that taper to a point, as grass, flames and strands of hair do, with or without an outline."""
    n = len(image)
    outlined, base = bool(rng.random() < 0.6), _color(rng)
    one_color, upright = bool(rng.random() < 0.4), bool(rng.random() < 0.7)
    t = np.linspace(0, 1, 10)[:, None]
    for _ in range(int(rng.integers(6, 34))):
        start, length = rng.uniform(0, 1, 2), rng.uniform(0.04, 0.3)
        way = np.array([rng.normal(0, 0.35), -1.0]) if upright else rng.normal(0, 1, 2)
        way = way / np.linalg.norm(way) * length
        side = np.array([-way[1], way[0]])
        middle = start + way * 0.6 + side * rng.normal(0, 0.4)
        end = start + way + side * rng.normal(0, 0.5)
        center = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
        along = np.gradient(center, axis=0)
        normal = np.stack([-along[:, 1], along[:, 0]], 1) / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-9)
        half = normal * rng.uniform(0.006, 0.02) * (1 - t) ** 0.6
        points = [(np.vstack([center + half, (center - half)[::-1]]) * n).astype(np.int32)]
        cv2.fillPoly(image, points, base if one_color else _color(rng), cv2.LINE_AA)
        if outlined:
            cv2.polylines(image, points, True, LINE, int(rng.integers(1, 4)), cv2.LINE_AA)


def _knobs(image: Picture, rng: np.random.Generator) -> None:
    """Small round things with an outline, as pale as skin or a lamp: a hand that no arm leads to looks like that."""
    n, line = len(image), int(rng.integers(1, 4))
    for _ in range(int(rng.integers(4, 14))):
        center, size, turn = rng.uniform(0, n, 2), n * rng.uniform(0.012, 0.05), rng.uniform(0, 180)
        color = SKIN if rng.random() < 0.3 else shade(SKIN, rng.uniform(0.75, 1.2))
        color = tuple(int(np.clip(c + rng.normal(0, 22), 0, 255)) for c in color)  # type: ignore[assignment]
        where = (int(center[0]), int(center[1])), (int(size), max(1, int(size * rng.uniform(0.6, 1.0)))), turn
        if rng.random() < 0.3:
            foot = int(center[0]), int(center[1] + size * rng.uniform(2, 12))
            cv2.line(image, where[0], foot, LINE, max(1, int(size * 0.3)), cv2.LINE_AA)
        cv2.ellipse(image, *where, 0, 360, color, -1, cv2.LINE_AA)
        cv2.ellipse(image, *where, 0, 360, LINE, line, cv2.LINE_AA)


_THIN: tuple[Callable[[Picture, np.random.Generator], None], ...] = (
    _crowded_shelves,
    _crowded_shelves,
    _slats,
    _stalks,
    _bars,
    _strands,
)
