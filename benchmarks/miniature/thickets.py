"""Backgrounds of thin things that stand right behind heads: only detectors are trained before them.

A strand of hair is told from a pole, a twig or a ray by where it ends and how, hardly by its colour. So these things
are placed where strands are, in the hair's own colour more often than in any other, and some end just above the head.
What ends there never has a strand's shape, which bends to one side and tapers to a point.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.miniature.backgrounds import paint_background
from benchmarks.miniature.canvas import curve
from benchmarks.miniature.palette import DARK, HAIR, LINE, RGB, shade
from benchmarks.miniature.scenes import BACKGROUNDS, PATTERNS, ROWS

Picture = NDArray[np.uint8]
Points = NDArray[np.float64]
_HAIR = tuple(HAIR.values())
# A strand's length in radii of the head. What rises less than this above a head is blunt.
_STRAND = 1.1


@dataclass(frozen=True)
class Crown:
    """Where a head is going to be drawn: its centre and radius in pixels of the picture painted on, its hair."""

    x: float
    y: float
    radius: float
    hair: RGB


@dataclass(frozen=True)
class _Kind:
    """What the things of one row have in common; ``width`` in pixels, ``taper`` -1 (at the foot), 0 or 1 (on top)."""

    width: float
    color: RGB
    edge: RGB
    line: int
    taper: int
    bend: float
    slant: float
    joint: float
    leaf: float
    knob: float


def paint_thicket(image: Picture, crowns: Sequence[Crown], rng: np.random.Generator) -> None:
    """Fill the picture (H, W, 3) with thin things, most of them behind the heads, in place."""
    _ground(image, crowns, rng)
    for _ in range(int(rng.integers(1, 4))):
        _PAINTERS[int(rng.integers(len(_PAINTERS)))](image, crowns, rng)


def _ground(image: Picture, crowns: Sequence[Crown], rng: np.random.Generator) -> None:
    """A place, shapes, or plain colour: often nearly somebody's hair's, before which her strand is hard to see."""
    kind = rng.random()
    if kind < 0.3:
        paint_background(image, str(rng.choice(BACKGROUNDS)), rng)
    elif kind < 0.45:
        paint_background(image, PATTERNS if rng.random() < 0.5 else ROWS, rng)
    else:
        first = np.array(_color(crowns, rng), np.float64)
        last = first + rng.normal(0, 30, 3) if rng.random() < 0.6 else np.array(_color(crowns, rng), np.float64)
        steps = np.linspace(0, 1, len(image))[:, None]
        image[:] = np.clip(first * (1 - steps) + last * steps, 0, 255).astype(np.uint8)[:, None]


def _color(crowns: Sequence[Crown], rng: np.random.Generator) -> RGB:
    """Like a head's own hair, lighter or darker; any hair; or anything."""
    kind = rng.random()
    if kind < 0.4 and crowns:
        color = shade(crowns[int(rng.integers(len(crowns)))].hair, rng.choice((1.0, rng.uniform(0.6, 1.5))))
    elif kind < 0.6:
        color = shade(_HAIR[int(rng.integers(len(_HAIR)))], rng.uniform(0.7, 1.3))
    else:
        color = tuple(int(v) for v in rng.integers(10, 250, 3))  # type: ignore[assignment]
    return tuple(int(np.clip(c + rng.normal(0, 6), 0, 255)) for c in color)  # type: ignore[return-value]


def _kind(n: int, crowns: Sequence[Crown], rng: np.random.Generator) -> _Kind:
    color = _color(crowns, rng)
    edge = (LINE, DARK, shade(color, rng.uniform(0.3, 0.8)))[int(rng.integers(3))]
    width = n * float(np.exp(rng.uniform(np.log(0.004), np.log(0.06))))
    return _Kind(
        width=width,
        color=color,
        edge=edge,
        line=int(rng.integers(1, 4)) if rng.random() < 0.65 else 0,
        taper=int(rng.choice((-1, 0, 0, 0, 1))),
        bend=float(rng.choice((0.0, 0.0, abs(rng.normal(0, 0.12))))),
        slant=float(rng.normal(0, 0.1)) if rng.random() < 0.5 else 0.0,
        joint=float(rng.choice((0.0, 0.0, rng.uniform(0.05, 0.2)))) * n,
        leaf=float(rng.choice((0.0, 0.0, rng.uniform(0.02, 0.07)))) * n,
        knob=float(rng.choice((0.0, 0.0, rng.uniform(1.2, 3.0)))) * width,
    )


def _behind(crowns: Sequence[Crown], n: int, rng: np.random.Generator) -> tuple[float, float, float]:
    """A place behind some head, and its radius; somewhere in the picture where there is none."""
    if not crowns or rng.random() < 0.15:
        return float(rng.uniform(0, n)), float(rng.uniform(0.1, 0.6) * n), 0.1 * n
    crown = crowns[int(rng.integers(len(crowns)))]
    return crown.x + rng.normal(0, 0.35) * crown.radius, crown.y, crown.radius


def _band(center: Points, widths: Points) -> NDArray[np.int32]:
    """The outline of a path (N, 2) that is ``widths`` (N,) wide."""
    along = np.gradient(center, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], 1) / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-9)
    half = normal * widths[:, None] / 2
    return np.vstack([center + half, (center - half)[::-1]]).astype(np.int32)


def _thing(image: Picture, kind: _Kind, foot: tuple[float, float], top: tuple[float, float],
           rng: np.random.Generator) -> None:  # fmt: skip
    """One pole, stalk or string from its foot to its top, with what its kind has: joints, leaves, a knob."""
    length = abs(foot[1] - top[1])
    side = rng.choice((-1, 1)) * kind.bend * length
    middle = ((foot[0] + top[0]) / 2 + side, (foot[1] + top[1]) / 2)
    center = curve(foot, middle, top, steps=12)
    t = np.linspace(0, 1, 12)
    widths = kind.width * (np.ones(12) if not kind.taper else np.clip(1 - t if kind.taper > 0 else t, 0.06, 1))
    points = [_band(center, widths)]
    cv2.fillPoly(image, points, kind.color, cv2.LINE_AA)
    if kind.line:
        cv2.polylines(image, points, True, kind.edge, kind.line, cv2.LINE_AA)
    if kind.joint and not kind.taper:
        for at in np.arange(rng.uniform(0, kind.joint), length, kind.joint) / max(length, 1):
            x, y = center[int(at * 11)]
            half, rise = kind.width * rng.uniform(0.45, 0.8), kind.width * rng.normal(0, 0.15)
            cv2.line(image, _at(x - half, y + rise), _at(x + half, y - rise), kind.edge, max(1, kind.line), cv2.LINE_AA)
    if kind.leaf:
        for at in rng.integers(0, 12, int(rng.integers(1, 7))):
            _leaf(image, center[at], kind, rng)
    if kind.knob:
        size = int(kind.knob), int(kind.knob * rng.uniform(0.6, 1.5))
        cv2.ellipse(image, _at(*center[-1]), size, 0, 0, 360, shade(kind.color, rng.uniform(0.6, 1.5)), -1, cv2.LINE_AA)
        if kind.line:
            cv2.ellipse(image, _at(*center[-1]), size, 0, 0, 360, kind.edge, kind.line, cv2.LINE_AA)


def _leaf(image: Picture, root: Points, kind: _Kind, rng: np.random.Generator) -> None:
    angle, size = rng.uniform(0, 2 * np.pi), kind.leaf * rng.uniform(0.6, 1.4)
    way = np.array([np.cos(angle), np.sin(angle)]) * size
    side = np.array([-way[1], way[0]]) * rng.uniform(0.1, 0.35)
    points = [np.array([root, root + way * 0.5 + side, root + way, root + way * 0.5 - side], np.int32)]
    cv2.fillPoly(image, points, shade(kind.color, rng.uniform(0.7, 1.3)), cv2.LINE_AA)
    if kind.line:
        cv2.polylines(image, points, True, kind.edge, 1, cv2.LINE_AA)


def _at(x: float, y: float) -> tuple[int, int]:
    return int(x), int(y)


# Kinds of things ----------------------------------------------------------------------------------------------------


def _uprights(image: Picture, crowns: Sequence[Crown], rng: np.random.Generator) -> None:
    """Poles, stalks and strings: one behind each head and others beside it, alike or in two kinds."""
    n = len(image)
    kinds = [_kind(n, crowns, rng) for _ in range(int(rng.integers(1, 3)))]
    hanging, whole, crowd = rng.random() < 0.2, rng.random() < 0.5, int(rng.integers(0, 12))
    places = [_behind(crowns, n, rng) for _ in range(int(rng.integers(1, 5)))]
    _, y, radius = places[0]
    places += [(float(rng.uniform(0, n)), y, radius) for _ in range(crowd)]
    rise = rng.uniform(0.2, 3.5)
    for x, y, radius in places:
        kind = kinds[int(rng.integers(len(kinds)))]
        if whole:
            foot, top = 1.02 * n, -0.02 * n
        elif hanging:
            foot, top = -0.02 * n, y - radius * rng.uniform(-0.5, 1.6)
        else:
            over = radius * (1 + rise * rng.uniform(0.8, 1.2))
            foot, top = min(n, y + radius * rng.uniform(0, 3)), y - over
            if over < radius * (1 + _STRAND) and kind.taper > 0:
                kind = _blunt(kind)
        lean = (kind.slant + rng.normal(0, 0.02)) * (foot - top)
        # They cross the head's middle whatever their slant.
        share = (foot - y) / (foot - top) if foot != top else 0.5
        _thing(image, kind, (x - lean * share, foot), (x + lean * (1 - share), top), rng)


def _blunt(kind: _Kind) -> _Kind:
    return _Kind(kind.width, kind.color, kind.edge, kind.line, 0, 0.0, kind.slant, kind.joint, kind.leaf, kind.knob)


def _railing(image: Picture, crowns: Sequence[Crown], rng: np.random.Generator) -> None:
    """Rails across with balusters, some with points, that reach a little above heads or end behind them."""
    n, kind = len(image), _kind(len(image), crowns, rng)
    _, y, radius = _behind(crowns, n, rng)
    rail = y - radius * rng.uniform(-0.8, 2.2)
    foot = n if rng.random() < 0.5 else rail + n * rng.uniform(0.1, 0.4)
    step, x = kind.width * rng.uniform(1.6, 6), -float(rng.uniform(0, 0.1) * n)
    point, thick = rng.choice((0.0, rng.uniform(0.5, 3))) * kind.width, max(1.0, kind.width * rng.uniform(0.5, 2))
    step = max(step, 6.0)
    while x < n:
        left, right, over = x, x + kind.width, rail - point
        points = [
            np.array([(left, foot), (left, rail), ((left + right) / 2, over), (right, rail), (right, foot)], np.int32)
        ]
        cv2.fillPoly(image, points, kind.color, cv2.LINE_AA)
        if kind.line:
            cv2.polylines(image, points, True, kind.edge, kind.line, cv2.LINE_AA)
        x += step
    for height in (rail + thick, rail + (foot - rail) * 0.8)[: int(rng.integers(0, 3))]:
        cv2.rectangle(image, _at(-5, height), _at(n + 5, height + thick), kind.color, -1)
        if kind.line:
            cv2.rectangle(image, _at(-5, height), _at(n + 5, height + thick), kind.edge, kind.line, cv2.LINE_AA)


def _folds(image: Picture, crowns: Sequence[Crown], rng: np.random.Generator) -> None:
    """Upright or slanted bands of one colour in many shades, with dark or light lines between them."""
    n, color = len(image), _color(crowns, rng)
    width, slant, wave = n * rng.uniform(0.008, 0.06), rng.normal(0, 0.08), rng.choice((0.0, rng.uniform(0, 0.02))) * n
    low, high = (0, n) if rng.random() < 0.6 else sorted(rng.uniform(0, n, 2))
    line, depth, x = int(rng.integers(0, 4)), rng.uniform(0.05, 0.4), -0.2 * n
    edge = shade(color, rng.choice((0.4, 0.7, 1.5)))
    y = np.linspace(low, high, 8)
    while x < 1.2 * n:
        step = width * rng.uniform(0.5, 1.6)
        left = np.stack([x + slant * (y - low) + wave * np.sin(y / n * 9), y], 1)
        points = [np.vstack([left, np.add(left, (step + 1, 0))[::-1]]).astype(np.int32)]
        cv2.fillPoly(image, points, shade(color, float(np.clip(1 + rng.normal(0, depth), 0.3, 1.7))), cv2.LINE_AA)
        if line:
            cv2.polylines(image, [left.astype(np.int32)], False, edge, line, cv2.LINE_AA)
        x += step


def _blinds(image: Picture, crowns: Sequence[Crown], rng: np.random.Generator) -> None:
    """Lying slats or stripes with a few cords or posts before them."""
    n, color = len(image), _color(crowns, rng)
    step, line = n * rng.uniform(0.012, 0.08), int(rng.integers(0, 3))
    thick = step * rng.uniform(0.2, 0.9)
    for y in np.arange(rng.uniform(0, step), n, step):
        cv2.rectangle(image, _at(-5, y), _at(n + 5, y + thick), color, -1)
        if line:
            cv2.rectangle(image, _at(-5, y), _at(n + 5, y + thick), shade(color, 0.6), line, cv2.LINE_AA)
    kind = _kind(n, crowns, rng)
    for x in [_behind(crowns, n, rng)[0] for _ in range(int(rng.integers(1, 4)))]:
        _thing(image, kind, (x, 1.02 * n), (x, -0.02 * n), rng)


def _branches(image: Picture, crowns: Sequence[Crown], rng: np.random.Generator) -> None:
    """Trees and twigs that fork, rising from behind heads or reaching in from the side."""
    n = len(image)
    for _ in range(int(rng.integers(1, 4))):
        kind, (x, y, radius) = _kind(n, crowns, rng), _behind(crowns, n, rng)
        inward = rng.random() < 0.3
        root = np.array([rng.choice((-5.0, n + 5.0)), rng.uniform(0, 0.5) * n] if inward else [x, y + radius * 0.3])
        aim = (
            np.array([x, y - radius * rng.uniform(0.8, 1.6)]) - root if inward else np.array([rng.normal(0, 0.3), -1.0])
        )
        aim = aim / (np.linalg.norm(aim) + 1e-9)
        _fork(image, kind, root, aim * max(2.2 * radius, 0.15 * n), max(kind.width, 3.0), int(rng.integers(2, 5)), rng)


def _fork(image: Picture, kind: _Kind, root: Points, way: Points, width: float, depth: int,
          rng: np.random.Generator) -> None:  # fmt: skip
    end = root + way
    middle = root + way / 2 + np.array([-way[1], way[0]]) * rng.normal(0, 0.12)
    center = curve((root[0], root[1]), (middle[0], middle[1]), (end[0], end[1]), steps=6)
    points = [_band(center, np.linspace(width, width * 0.6, 6))]
    cv2.fillPoly(image, points, kind.color, cv2.LINE_AA)
    if kind.line:
        cv2.polylines(image, points, True, kind.edge, kind.line, cv2.LINE_AA)
    if kind.leaf:
        _leaf(image, end, kind, rng)
    if depth:
        for side in (-1, 1):
            angle = side * rng.uniform(0.2, 0.8)
            turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            _fork(
                image,
                kind,
                center[int(rng.integers(3, 6))],
                turn @ way * rng.uniform(0.5, 0.85),
                width * 0.6,
                depth - 1,
                rng,
            )


def _cables(image: Picture, crowns: Sequence[Crown], rng: np.random.Generator) -> None:
    """Ropes that sag across behind heads, with strings or small things that hang from them."""
    n = len(image)
    for _ in range(int(rng.integers(1, 6))):
        kind, (x, y, radius) = _kind(n, crowns, rng), _behind(crowns, n, rng)
        height, sag, tilt = y - radius * rng.uniform(-0.2, 2.5), n * rng.uniform(0, 0.2), n * rng.normal(0, 0.15)
        rope = curve((-5, height - tilt), (x, height + sag), (n + 5.0, height + tilt), steps=16)
        width = max(1, int(kind.width * 0.5))
        if kind.line:
            cv2.polylines(image, [rope.astype(np.int32)], False, kind.edge, width + 2 * kind.line, cv2.LINE_AA)
        cv2.polylines(image, [rope.astype(np.int32)], False, kind.color, width, cv2.LINE_AA)
        if rng.random() < 0.5:
            for at in rope[rng.integers(0, 16, int(rng.integers(1, 9)))]:
                drop = radius * rng.uniform(0.1, 1.2)
                _thing(image, _blunt(kind), (at[0], at[1]), (at[0] + rng.normal(0, 3), at[1] + drop), rng)


def _rays(image: Picture, crowns: Sequence[Crown], rng: np.random.Generator) -> None:
    """Rays and lines that run out from behind a head or toward it, and stars with points."""
    n, (x, y, radius) = len(image), _behind(crowns, len(image), rng)
    center = np.array([x, y + radius * rng.uniform(-0.5, 0.5)])
    colors = [_color(crowns, rng) for _ in range(int(rng.integers(1, 3)))]
    count, inward, line = int(rng.integers(8, 48)), rng.random() < 0.5, int(rng.integers(0, 3))
    share = rng.uniform(0.1, 0.6)
    for k, angle in enumerate(np.linspace(0, 2 * np.pi, count, endpoint=False) + rng.uniform(0, 1)):
        half = np.pi / count * share * rng.uniform(0.6, 1.4)
        arms = [np.array([np.cos(a), np.sin(a)]) for a in (angle - half, angle, angle + half)]
        if inward:  # ends in a point before it reaches the head
            tip = center + arms[1] * radius * rng.uniform(1.0, 2.2)
            points = [np.array([tip, center + arms[0] * 2 * n, center + arms[2] * 2 * n]).astype(np.int32)]
        else:
            points = [np.array([center, center + arms[0] * 2 * n, center + arms[2] * 2 * n]).astype(np.int32)]
        cv2.fillPoly(image, points, colors[k % len(colors)], cv2.LINE_AA)
        if line:
            cv2.polylines(image, points, True, shade(colors[0], 0.5), line, cv2.LINE_AA)
    for _ in range(int(rng.integers(2, 10)) if rng.random() < 1 / 3 else 0):
        at_x, at_y, around = _behind(crowns, n, rng)
        spot, size = np.array([at_x, at_y]) + rng.normal(0, 1.4, 2) * around, around * rng.uniform(0.1, 0.5)
        turn = np.linspace(0, 2 * np.pi, 8, endpoint=False)
        far = np.where(np.arange(8) % 2, 0.25, 1.0)[:, None] * size
        star = [(spot + np.stack([np.cos(turn), np.sin(turn)], 1) * far).astype(np.int32)]
        cv2.fillPoly(image, star, _color(crowns, rng), cv2.LINE_AA)


_PAINTERS: tuple[Callable[[Picture, Sequence[Crown], np.random.Generator], None], ...] = (
    _uprights,
    _uprights,
    _uprights,
    _railing,
    _folds,
    _blinds,
    _branches,
    _cables,
    _rays,
)
