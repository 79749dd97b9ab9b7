"""Paired statistics: many checkpoints on the same cells at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.rankings.intervals import Z

FEW = 24
"""Below this many cells × checkpoints that tell them apart, Cochran's chi-square is too rough (Tate and Brown 1970)."""


def difference_ends(first_only: Any, second_only: Any, pairs: Any) -> NDArray[np.float64]:
    """95 % intervals of paired differences of rates, second minus first.

    Wald's interval with a failure added to either side, after Bonett and Price (2012); Fagerland, Lydersen and Laake
    (2014) recommend it among the simple ones. Unlike Wald's, it does not shrink to a point where no pair differs.

    Args:
        first_only: cells where only the first fails, any shape.
        second_only: cells where only the second fails, the same shape.
        pairs: cells measured on both, the same shape.

    Returns:
        Shape ``(..., 2)``, ends -1..1; NaN where there is no pair.

    >>> difference_ends(1, 9, 30).round(3).tolist()
    [0.056, 0.444]
    """
    first_only, second_only, pairs = (np.asarray(each, dtype=float) for each in (first_only, second_only, pairs))
    one, two = (first_only + 1) / (pairs + 2), (second_only + 1) / (pairs + 2)
    half = Z * np.sqrt((one + two - (two - one) ** 2) / (pairs + 2))
    ends = np.clip(np.stack([two - one - half, two - one + half], axis=-1), -1, 1)
    return np.where((pairs > 0)[..., None], ends, np.nan)


@dataclass(frozen=True)
class CochranTest:
    """Whether all checkpoints fail equally often.

    Attributes:
        q: Cochran's Q; ``None`` if there is nothing to test.
        p: its p-value.
        exact: whether ``p`` comes from shuffling, because there is too little for the chi-square.
        cells: (scenario, seed) cells measured on every checkpoint.
        informative: those of them on which the checkpoints differ.
    """

    q: float | None
    p: float | None
    exact: bool
    cells: int
    informative: int


def cochran(fails: NDArray[np.bool_], rng: np.random.Generator, shuffles: int = 2000) -> CochranTest:
    """Cochran's Q (1950): do these checkpoints fail equally often on the same cells?

    Where few cells tell them apart the p-value comes from shuffling the checkpoints within each cell, which is exact
    but for the number of shuffles.

    Args:
        fails: shape ``(cells, checkpoints)``: complete cells only.
        rng: drives the shuffling.
        shuffles: how many.
    """
    from scipy.special import chdtrc  # slow to import, so only where it is needed

    cells, rivals = fails.shape
    informative = fails[(fails.any(axis=1)) & (~fails.all(axis=1))].astype(float)
    if rivals < 2 or not len(informative):
        return CochranTest(None, None, False, cells, len(informative))
    row = informative.sum(axis=1)
    scale = rivals * (rivals - 1) / (rivals * row.sum() - (row**2).sum())
    column = informative.sum(axis=0)
    q = float(scale * ((column - column.mean()) ** 2).sum())
    if len(informative) * rivals >= FEW:
        return CochranTest(q, float(chdtrc(rivals - 1, q)), False, cells, len(informative))
    shuffled = rng.permuted(np.broadcast_to(informative, (shuffles, *informative.shape)), axis=2).sum(axis=1)
    drawn = scale * ((shuffled - column.mean()) ** 2).sum(axis=1)
    return CochranTest(q, float((1 + (drawn >= q - 1e-9).sum()) / (1 + shuffles)), True, cells, len(informative))
