"""Which picture of one character goes beside which of the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from service.composer.captions import Caption, similarity
from service.composer.figures import Figure

_FORBIDDEN = 1e6


@dataclass(frozen=True)
class SoloPicture:
    """A picture of one character with its caption and its figure."""

    path: Path
    caption: Caption
    figure: Figure


@dataclass(frozen=True)
class Match:
    """Two pictures that go together: their caption similarity (0..1) and what speaks against them (0 is best)."""

    first: SoloPicture
    second: SoloPicture
    similarity: float
    cost: float


def match_pictures(
    firsts: Sequence[SoloPicture], seconds: Sequence[SoloPicture], count: int, rng: np.random.Generator
) -> list[Match]:
    """Up to `count` different matches, best first.

    A match costs ``1 - similarity + |log aspect ratio| / 2 + background distance / 4``. Pictures that show the whole
    figure are never matched with ones that cut it off below. Every picture is used once before any is used twice;
    `rng` decides between equals.
    """
    if not firsts or not seconds:
        return []
    costs = np.array([[_cost(first, second) for second in seconds] for first in firsts])
    costs = np.where(costs < _FORBIDDEN, costs + rng.uniform(0, 1e-3, costs.shape), costs)
    found: list[Match] = []
    while len(found) < count:
        rows, columns = linear_sum_assignment(costs)
        chosen = sorted((costs[r, c], r, c) for r, c in zip(rows, columns, strict=True) if costs[r, c] < _FORBIDDEN)
        if not chosen:
            break
        for cost, row, column in chosen:
            first, second = firsts[row], seconds[column]
            found.append(Match(first, second, similarity(first.caption, second.caption), float(cost)))
            costs[row, column] = _FORBIDDEN
    return found[:count]


def _cost(first: SoloPicture, second: SoloPicture) -> float:
    if first.figure.is_cropped != second.figure.is_cropped:
        return _FORBIDDEN
    shape = abs(math.log(first.figure.aspect / second.figure.aspect))
    return 1 - similarity(first.caption, second.caption) + shape / 2 + _background_distance(first, second) / 4


def _background_distance(first: SoloPicture, second: SoloPicture) -> float:
    """0..1; it counts because holes inside a figure keep their old background."""
    one, other = first.figure.background, second.figure.background
    if one is None or other is None:
        return 0.0
    # The plane at the picture's middle.
    middle = np.array([1, 0.5, 0.5, 0.25])
    return float(np.linalg.norm(middle @ (one - other)) / (255 * math.sqrt(3)))
