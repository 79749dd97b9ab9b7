"""From boxes of bodies and heads to people: everybody once, also where two hug."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.crops import Box
from detectors.onnx.detection import Detection

Image = NDArray[np.uint8]
# What publishers of person detectors call the same person twice.
_SAME = 0.5
# A head belongs to a body that holds at least this share of it.
_HELD = 0.6


@dataclass(frozen=True)
class Body:
    """One person: boxes in image pixels. ``box`` is the head's where no body was found for it."""

    box: Box
    score: float
    head: Detection | None
    mask: NDArray[np.bool_] | None = None


def people_of(bodies: Sequence[Detection], heads: Sequence[Detection]) -> list[Body]:
    """Everybody in a picture, surest first.

    Where two people hug, their boxes overlap so much that suppressing doubles would make one person of them. So doubles
    are let through here, heads are matched with bodies one-to-one, and a body that overlaps a surer one is dropped only
    if no head is left for it. A head without a body is a person too: that is where a detector merged two bodies.

    Args:
        bodies: surest first, doubles up to nearly the same box included.
        heads: surest first, each once.
    """
    pairs = _pairs(bodies, heads)
    kept: list[int] = []
    for i, body in enumerate(bodies):
        double = any(_overlap(body.box, bodies[j].box) > _SAME for j in kept)
        if i in pairs or not double:
            kept.append(i)
    found = [
        Body(bodies[i].box, bodies[i].score, heads[pairs[i]] if i in pairs else None, bodies[i].mask) for i in kept
    ]
    taken = set(pairs.values())
    found += [Body(head.box, head.score, head) for h, head in enumerate(heads) if h not in taken]
    return sorted(found, key=lambda body: -body.score)


def _pairs(bodies: Sequence[Detection], heads: Sequence[Detection]) -> dict[int, int]:
    """Body to head, one-to-one: a head lies on its body, near the middle of its upper edge; surer bodies first."""
    from scipy.optimize import linear_sum_assignment

    if not bodies or not heads:
        return {}
    fit = np.full((len(bodies), len(heads)), -1e3)
    for b, body in enumerate(bodies):
        x0, y0, x1, y1 = body.box
        for h, head in enumerate(heads):
            hx, hy = (head.box[0] + head.box[2]) / 2, (head.box[1] + head.box[3]) / 2
            if _held(head.box, body.box) >= _HELD:
                aside = abs(hx - (x0 + x1) / 2) / max(x1 - x0, 1.0)
                below = max(hy - y0, 0.0) / max(y1 - y0, 1.0)
                fit[b, h] = body.score - aside - below
    rows, columns = linear_sum_assignment(fit, maximize=True)
    return {int(b): int(h) for b, h in zip(rows, columns, strict=True) if fit[b, h] > -1e3}


def _held(inner: Box, outer: Box) -> float:
    """Share of a box that lies inside of another."""
    return _common(inner, outer) / max(_area(inner), 1e-6)


def _overlap(one: Box, other: Box) -> float:
    common = _common(one, other)
    return common / max(_area(one) + _area(other) - common, 1e-6)


def _common(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def owner_of(box: Box, people: Sequence[Body]) -> int | None:
    """Whose a hand is: the only person whose box holds its middle; ``None`` where there is none, or several."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    around = [i for i, body in enumerate(people) if body.box[0] <= x <= body.box[2] and body.box[1] <= y <= body.box[3]]
    return around[0] if len(around) == 1 else None


def cut_out(image: Image, box: Box, left: float = 0.0, above: float = 0.0, below: float = 0.0) -> Image:
    """A crop of an image (H, W, 3), at least one pixel: a box grown by shares of its sides, clipped to the image."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    first = (int(np.floor(x0 - left * w)), int(np.floor(y0 - above * h)))
    last = (int(np.ceil(x1 + left * w)), int(np.ceil(y1 + below * h)))
    a, b = min(max(first[0], 0), width - 1), min(max(first[1], 0), height - 1)
    return np.ascontiguousarray(image[b : max(min(last[1], height), b + 1), a : max(min(last[0], width), a + 1)])
