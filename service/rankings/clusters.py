"""Intervals that know that pictures of one scenario resemble each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.rankings.intervals import LEVEL, Z

Floats = NDArray[np.float64]


def wilson_ends(fails: Any, total: Any, z: Any = Z) -> Floats:
    """Wilson score intervals of many rates at once.

    Args:
        fails: failures, any shape; fractions are fine.
        total: images, the same shape; the effective number where images resemble each other.
        z: quantile to use, a number or the same shape.

    Returns:
        Shape ``(..., 2)``, ends 0..1; NaN where nothing was measured.
    """
    fails, total = np.asarray(fails, dtype=float), np.asarray(total, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = fails / total
        shrink = 1 + z * z / total
        centre = (rate + z * z / (2 * total)) / shrink
        half = z / shrink * np.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
        low, high = centre - half, centre + half
    # The formula's own rounding can leave 1e-17 where the end is exact.
    low = np.where(fails == 0, np.where(np.isnan(low), low, 0.0), low)
    high = np.where(fails == total, np.where(np.isnan(high), high, 1.0), high)
    return np.stack([low, high], axis=-1)


def intraclass_correlation(fails: Any, totals: Any) -> float:
    """How much more alike two pictures of one scenario are than two of different ones, 0..1.

    The analysis-of-variance estimator for binary outcomes (Donner and Koval 1980), with mean squares summed over all
    checkpoints: one checkpoint alone has too few scenarios to tell. A checkpoint with fewer than two scenarios, or
    fewer than two pictures of each, says nothing; if none does, it is 0.

    Args:
        fails: shape ``(checkpoints, scenarios)``.
        totals: measured images, the same shape.
    """
    fails, totals = np.atleast_2d(np.asarray(fails, dtype=float)), np.atleast_2d(np.asarray(totals, dtype=float))
    number = totals.sum(axis=1)
    scenarios = (totals > 0).sum(axis=1)
    usable = (scenarios > 1) & (number > scenarios)
    if not usable.any():
        return 0.0
    fails, totals, number, scenarios = fails[usable], totals[usable], number[usable], scenarios[usable]
    rates = fails / np.maximum(totals, 1)
    overall = fails.sum(axis=1) / number
    between = (totals * (rates - overall[:, None]) ** 2).sum(axis=1) / (scenarios - 1)
    within = (totals * rates * (1 - rates)).sum(axis=1) / (number - scenarios)
    size = (number - (totals**2).sum(axis=1) / number) / (scenarios - 1)
    spread = float((between + (size - 1) * within).sum())
    return float(np.clip((between - within).sum() / spread, 0, 1)) if spread > 0 else 0.0


@dataclass(frozen=True)
class PooledIntervals:
    """Intervals of rates pooled over scenarios.

    Attributes:
        ends: shape ``(checkpoints, 2)``; NaN where nothing was measured.
        design_effect: shape ``(checkpoints,)``: how many pictures say as much as one independent picture would.
        correlation: shape ``(checkpoints,)``: likeness of pictures of one scenario, 0..1.
    """

    ends: Floats
    design_effect: Floats
    correlation: Floats


def pooled_intervals(fails: Any, totals: Any, groups: Sequence[str] | None = None) -> PooledIntervals:
    """95 % intervals of each checkpoint's rate over all scenarios, wider where scenarios differ.

    Wilson's interval (1927) with the effective number of images, n / deff, where deff = 1 + (m - 1) · icc is Kish's
    design effect (1965) with m the size-weighted mean number of images per scenario, as Saha, Miller and Wang (2016)
    recommend for clustered rates. Two changes keep its level with few images: the correlation is shared by the
    checkpoints of a group, such as the epochs of a run, and the quantile lies between the normal one (the part of the
    variance within scenarios) and Student's t with scenarios - 1 degrees of freedom (the part between them). It says
    how a checkpoint does on prompts *like* these; the plain Wilson interval says how it does on exactly these.
    ``benchmarks/decisions`` measures both.

    Args:
        fails: shape ``(checkpoints, scenarios)``.
        totals: measured images, the same shape.
        groups: each checkpoint's group; by default all are one.
    """
    from scipy.special import stdtrit  # slow to import, so only where it is needed

    fails, totals = np.atleast_2d(np.asarray(fails, dtype=float)), np.atleast_2d(np.asarray(totals, dtype=float))
    correlation = np.zeros(len(fails))
    names = np.array(groups if groups is not None else [""] * len(fails))
    for name in set(names.tolist()):
        correlation[names == name] = intraclass_correlation(fails[names == name], totals[names == name])
    number = totals.sum(axis=1)
    size = (totals**2).sum(axis=1) / np.maximum(number, 1)
    effect = np.maximum(1.0, 1 + (size - 1) * correlation)
    scenarios = (totals > 0).sum(axis=1)
    student = stdtrit(np.maximum(scenarios - 1, 1), (1 + LEVEL) / 2)
    between = np.where(scenarios > 1, size * correlation / effect, 0.0)
    quantile = np.sqrt(Z**2 + (student**2 - Z**2) * np.clip(between, 0, 1))
    rate = fails.sum(axis=1) / np.maximum(number, 1)
    effective = number / effect
    ends = wilson_ends(rate * effective, effective, quantile)
    ends[rate == 1, 1] = 1.0
    return PooledIntervals(ends, effect, correlation)
