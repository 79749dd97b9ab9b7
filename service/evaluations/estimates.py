"""How long an evaluation will still take."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise

LOOKED_AT = 30
"""Batches, counted back from the last one, whose pace is taken."""


def seconds_left(finishes: Sequence[float], batches_left: int) -> float | None:
    """The time that the batches left will take at the pace of the last ones.

    The median of the times between two ends is taken, so that a pause in which nobody worked counts for nothing.

    Args:
        finishes: when the last batches ended, in seconds, in any order.
        batches_left: batches that are not finished.

    Returns:
        Seconds; ``None`` if fewer than three batches have ended.

    >>> seconds_left([0.0, 2.0, 4.0, 1004.0, 1006.0], 10)
    20.0
    """
    if batches_left == 0:
        return 0.0
    ends = sorted(finishes)
    gaps = [later - earlier for earlier, later in pairwise(ends)]
    return batches_left * statistics.median(gaps) if len(gaps) >= 2 else None
