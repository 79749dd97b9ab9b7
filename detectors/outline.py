"""The outline of a head's hair on an enlarged crop: does a strand leave it? Classical, so that it needs no weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.crops import Box

Image = NDArray[np.uint8]
Plane = NDArray[np.uint8]

_SIDE = 320
"""Side of the enlarged window in pixels; the head itself takes about 186 of them."""

# All of these are shares of the head's longer side.
_REACH = 1.72  # side of the window
_LIFT = 0.24  # how much higher than the head's middle the window's middle lies
_THICK = 0.16  # what is wider than this is hair, not a strand
_SHORT = 0.13  # a strand that leaves the outline by less is a stray hair
_LONG = 1.2  # what reaches farther is no strand of this head
_ASIDE = 0.42  # farther from the middle than this it is a twin tail, a ribbon, or somebody else

_INK = 5.0
"""Width of an ink line, in pixels of the picture."""

_ALIKE = 30.0
"""Distance in CIELAB (8-bit scale) up to which a pixel has the hair's colour; ink lines are bridged, not matched."""


@dataclass(frozen=True)
class Strand:
    """A strand that leaves the outline of the hair.

    Attributes:
        box: around it, in image pixels.
        length: how far it reaches, as a share of the head's longer side.
    """

    box: Box
    length: float


def strand_of(image: Image, head: Box) -> Strand | None:
    """The longest strand of a head's own hair that leaves its outline near the crown.

    The head is cut out and enlarged; pixels of the hair's own colour are its silhouette; an opening takes what is thin
    away, and what it took is looked at: it must begin at the hair, rise above it near its axis, be thin throughout, and
    be long enough. Hair of another colour behind the head and things of another colour in it, such as a ribbon, are no
    part of the silhouette.

    Args:
        image: (H, W, 3) of 8-bit RGB.
        head: box around face and hair, in image pixels.

    Returns:
        ``None`` where there is no strand, or no hair can be made out.
    """
    import cv2

    x0, y0, x1, y1 = head
    longer = max(x1 - x0, y1 - y0)
    if longer < 4:
        return None
    zoom = _SIDE / (_REACH * longer)
    left, top = (x0 + x1) / 2 - _SIDE / 2 / zoom, (y0 + y1) / 2 - _LIFT * (y1 - y0) - _SIDE / 2 / zoom
    place = np.array([[zoom, 0, -zoom * left], [0, zoom, -zoom * top]], np.float32)
    crop = cv2.warpAffine(image, place, (_SIDE, _SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = tuple(zoom * (value - origin) for value, origin in zip(head, (left, top, left, top), strict=True))
    hair = _silhouette(np.asarray(crop, np.uint8), inside)
    ink = int(np.clip(_INK * zoom, 2, 14))
    found = _longest(hair, inside, zoom * longer, ink) if hair is not None else None
    if found is None:
        return None
    (sx0, sy0, sx1, sy1), length = found
    return Strand((left + sx0 / zoom, top + sy0 / zoom, left + sx1 / zoom, top + sy1 / zoom), length)


def _silhouette(crop: Image, head: tuple[float, ...]) -> Plane | None:
    """Pixels that have the colour of the hair, and the head that it covers, as 0 and 1."""
    import cv2

    lab = cv2.cvtColor(crop, cv2.COLOR_RGB2LAB).astype(np.float32)
    x0, y0, x1, y1 = head
    width, height = x1 - x0, y1 - y0
    rows = slice(max(0, int(y0 + 0.10 * height)), max(1, int(y0 + 0.28 * height)))
    columns = slice(max(0, int(x0 + 0.28 * width)), max(1, int(x1 - 0.28 * width)))
    sample = lab[rows, columns].reshape(-1, 3)
    if len(sample) < 16:
        return None
    colour = np.median(sample, axis=0)
    alike = (np.linalg.norm(lab - colour, axis=2) < _ALIKE).astype(np.uint8)
    # The hair's lights and the face are another colour; the head itself is round.
    middle = (int((x0 + x1) / 2), int((y0 + y1) / 2))
    cv2.ellipse(alike, middle, (int(0.42 * width), int(0.46 * height)), 0, 0, 360, 1, -1)
    closed = cv2.morphologyEx(alike, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))
    return np.asarray(closed, np.uint8)


def _longest(hair: Plane, head: tuple[float, ...], longer: float, ink: int) -> tuple[Box, float] | None:
    """The longest thin piece that begins at the hair and leaves it near the crown: its box and its length."""
    import cv2

    x0, y0, x1, y1 = head
    body = _opened(hair, int(_THICK * longer))
    _, bodies = cv2.connectedComponents(body)
    own = int(bodies[min(int((y0 + y1) / 2), _SIDE - 1), min(int((x0 + x1) / 2), _SIDE - 1)])
    if not own:
        return None
    body = (bodies == own).astype(np.uint8)
    # An ink line may lie between a strand and its hair.
    near = cv2.dilate(body, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * ink + 3, 2 * ink + 3)))
    count, labels, stats, centres = cv2.connectedComponentsWithStats(hair & (1 - body), connectivity=8)
    best = None
    for number in range(1, count):
        left, top, width, height, _ = (int(v) for v in stats[number])
        length = float(np.hypot(width, height)) / longer
        if not _SHORT <= length <= _LONG or abs(float(centres[number][0]) - (x0 + x1) / 2) > _ASIDE * longer:
            continue
        piece = (labels == number).astype(np.uint8)
        rises = _roof(body, left, left + width) - top >= _SHORT * longer
        thin = not _opened(piece, int(_THICK * longer)).any()
        if rises and thin and (piece & near).any() and (best is None or length > best[1]):
            best = ((float(left), float(top), float(left + width), float(top + height)), length)
    return best


def _opened(mask: Plane, wide: int) -> Plane:
    """A mask without everything that is narrower than ``wide``."""
    import cv2

    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (max(3, wide | 1), max(3, wide | 1)))
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel), np.uint8)


def _roof(body: Plane, left: int, right: int) -> float:
    """The highest row of the hair without its strands, over some columns; the bottom where there is none."""
    rows = np.nonzero(body[:, left:right].any(1))[0]
    return float(rows[0]) if len(rows) else float(len(body))
