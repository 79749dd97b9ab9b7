"""Who is worse than the leader, given that the leader was picked on the same images.

A leader that was lucky makes its equals look worse than they are. So a comparison with it is as much to be doubted as
the widest gap between *any* two checkpoints: under equality the one picked and the one that looks worst are just that
pair. Corrected p-values therefore ask how wide the widest standardised gap of a set would be by chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DRAWS = 2000
"""Gaussian draws of all checkpoints' rates: the error of a corrected p-value of 5 % is then half a point."""


@dataclass(frozen=True)
class Corrected:
    """Corrected p-values, in the order of the rivals.

    Attributes:
        adjusted: shape ``(rivals,)``: chance of a gap as rare as this one between any two of the checkpoints that are
            at most as far from the leader, none of them being worse; never below that of a rarer gap.
        threshold: shape ``(rivals,)``: the uncorrected p-value that would be just enough at this place.
    """

    adjusted: Floats
    threshold: Floats


def correct_for_selection(values: Floats, fails: Floats, level: float, rng: np.random.Generator) -> Corrected:
    """Correct p-values against a picked leader, so that with ``1 - level`` no best checkpoint at all is called worse.

    A step-down of the widest gap (Romano and Wolf 2005; as a set of those that may be best: Hansen, Lunde and Nason
    2011, range statistic). The set shrinks by its worst member as long as the gap is rarer than the widest of all
    pairs in it would be. How checkpoints hang together is taken from the cells (Gaussian multipliers: Chernozhukov,
    Chetverikov and Kato 2013); how rare a gap is, from the exact test, so that few images are no excuse. It never asks
    for more than Bonferroni's bound over all pairs of the set.

    Args:
        values: exact two-sided p-values against the leader, shape ``(rivals,)``; 1 for one that is not worse.
        fails: 1 fails, 0 does not, nan not measured; shape ``(cells, 1 + rivals)``, the leader first.
        level: probability of an error that is allowed.
        rng: draws the Gaussians.
    """
    from scipy.special import ndtr, ndtri  # slow to import, so only where it is needed

    values = np.asarray(values, dtype=float)
    covariance = _covariance(fails)
    drawn = _draw(covariance, rng)
    variance = np.diag(covariance)
    spread = np.sqrt(np.maximum(variance[:, None] + variance - 2 * covariance, 0.0))
    scale = np.where(spread > 1e-9 * max(1e-12, spread.max()), 1 / np.maximum(spread, 1e-300), 0.0)
    gaps = -ndtri(np.clip(values, 1e-300, 1.0) / 2)
    widest = np.zeros(len(drawn))
    adjusted, threshold = np.ones(len(values)), np.full(len(values), level)
    inside = [0]
    for rival in np.argsort(-values, kind="stable").tolist():  # from the likest to the rarest gap: sets that grow
        column = rival + 1
        own = np.abs(drawn[:, inside] - drawn[:, [column]]) * scale[inside, column]
        widest = np.maximum(widest, own.max(axis=1))
        inside.append(column)
        pairs = len(inside) * (len(inside) - 1) / 2
        chance = (1 + (widest >= gaps[rival]).sum()) / (1 + len(widest))
        adjusted[rival] = min(1.0, max(values[rival], min(chance, pairs * values[rival])))
        line = 2 * ndtr(-np.quantile(widest, 1 - level))
        threshold[rival] = np.clip(line, level / pairs, level)
    order = np.argsort(values, kind="stable")
    adjusted[order] = np.maximum.accumulate(adjusted[order])
    return Corrected(adjusted, threshold)


def _covariance(fails: Floats) -> Floats:
    """Of the checkpoints' rates, from cells that are independent of each other; shape (checkpoints, checkpoints)."""
    measured = ~np.isnan(fails)
    counts = np.maximum(measured.sum(axis=0), 1)
    rates = np.where(measured, fails, 0.0).sum(axis=0) / counts
    centred = np.where(measured, fails - rates, 0.0) / counts
    return np.asarray(centred.T @ centred)


def _draw(covariance: Floats, rng: np.random.Generator) -> Floats:
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return np.asarray(rng.standard_normal((DRAWS, len(covariance))) @ root.T)
