"""Which seen person is which drawn one, and which arm's end is which drawn hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.miniature.truth import Drawing, HandTruth
from detectors.context import Context, Hand
from detectors.crops import Box

_SAME_PERSON = 0.5
# A hand and its arm's end may lie this far apart, in sides of the hand.
_SAME_HAND = 0.6


def overlaps(context: Context, drawing: Drawing) -> NDArray[np.float64]:
    """Intersection over union of masks, (people seen, people drawn)."""
    result = np.zeros((len(context.people), len(drawing.people)))
    for p, person in enumerate(context.people):
        for t, truth in enumerate(drawing.people):
            union = np.count_nonzero(person.mask | truth.mask)
            result[p, t] = np.count_nonzero(person.mask & truth.mask) / max(int(union), 1)
    return result


def people_met(context: Context, drawing: Drawing) -> list[int | None]:
    """For each seen person the drawn one whose mask overlaps by at least half; surest first, each drawn one once."""
    overlap = overlaps(context, drawing)
    met: list[int | None] = []
    for row in overlap:
        best = max((t for t in range(len(drawing.people)) if t not in met), key=row.__getitem__, default=None)
        met.append(best if best is not None and row[best] >= _SAME_PERSON else None)
    return met


def hands_met(context: Context, drawing: Drawing) -> tuple[list[tuple[HandTruth, Hand | None]], set[int]]:
    """Each drawn hand with the arm's end seen there, and the indices of the arm's ends that were taken."""
    truths = [truth for person in drawing.people for truth in person.hands]
    met = ends_met(context, [truth.box for truth in truths])
    hands = [None if k is None else context.hands[k] for k in met]
    return list(zip(truths, hands, strict=True)), {k for k in met if k is not None}


def ends_met(context: Context, boxes: Sequence[Box]) -> list[int | None]:
    """For each true box in pixels of the frame the nearest arm's end that was seen there, each end once."""
    met: list[int | None] = []
    for x0, y0, x1, y1 in boxes:
        reach = _SAME_HAND * max(x1 - x0, y1 - y0, 8.0)
        near = [
            (float(distance), k)
            for k, hand in enumerate(context.hands)
            if k not in met
            and (distance := np.hypot(hand.point[0] - (x0 + x1) / 2, hand.point[1] - (y0 + y1) / 2)) < reach
        ]
        met.append(min(near)[1] if near else None)
    return met
