"""Figures of checkpoints, smoothed over neighbouring epochs where they are smooth.

Neighbouring epochs of a run tell about each other. Their rates get a Gaussian prior: a level per run, a curve over
epochs, and a part of each checkpoint's own. How smooth the curve is and how large each part is, the data say: models
are weighted by their marginal likelihood (Rasmussen and Williams 2006, chapter 5), so rates that jump are left as they
are.

The functions take any number of leading dimensions, written ``...``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """One idea of how figures follow the epochs.

    Attributes:
        reach: over how many neighbouring checkpoints the curve stays alike, in checkpoints.
        height: how far the curve swings, in the figures' unit.
        own: how far a checkpoint may lie off the curve.
    """

    reach: float
    height: float
    own: float


def models(reaches: Sequence[float], heights: Sequence[float], own: Sequence[float]) -> tuple[Model, ...]:
    """Every combination."""
    return tuple(Model(*each) for each in product(reaches, heights, own))


RATES = models((2.5, 6.0, 12.0), (0.03, 0.12), (0.004, 0.04))
"""For rates, 0..1, in a race."""
_LEVEL = 0.5


def scenario_rates(fails: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Each checkpoint's mean rate over scenarios, and the variance of one cell in each scenario.

    Every scenario weighs the same, however many cells it had; one without any is taken at the mean of the others. The
    variance is that of a rate drawn towards the scenario's mean over all checkpoints, by two cells' worth: a handful of
    passes must not look like certainty.

    Args:
        fails: failing cells, shape (..., checkpoints, scenarios).
        counts: measured cells.

    Returns:
        Rates, shape (..., checkpoints), nan where nothing was measured; variances, shape (..., checkpoints, scenarios).
    """
    common = (fails.sum(-2, keepdims=True) + 0.25) / (counts.sum(-2, keepdims=True) + 0.5)
    drawn = (fails + 2.0 * common) / (counts + 2.0)
    known = counts > 0
    rates = np.where(known, fails / np.maximum(counts, 1.0), 0.0)
    scenarios = known.sum(-1)
    mean = rates.sum(-1) / np.where(scenarios > 0, scenarios, np.nan)
    return mean, drawn * (1.0 - drawn)


def sampling_covariance(variances: Floats, counts: Floats, likeness: Floats) -> Floats:
    """Covariance of the mean rates: checkpoints that saw the same cells err together.

    Of two checkpoints the one with fewer cells has seen a part of the other's, so a scenario adds
    likeness · sqrt(v1 v2) / max(n1, n2).

    Args:
        variances: of one cell, shape (..., checkpoints, scenarios).
        counts: measured cells.
        likeness: correlation of two checkpoints on one cell, 0..1; shape (...).

    Returns:
        Shape (..., checkpoints, checkpoints).
    """
    known = counts > 0
    weight = known / np.maximum(known.sum(-1, keepdims=True), 1)
    spread = weight * np.sqrt(variances)
    total = np.zeros((*counts.shape[:-1], counts.shape[-2]))
    for scenario in range(counts.shape[-1]):
        seen = np.maximum(counts[..., :, None, scenario], counts[..., None, :, scenario])
        own = spread[..., :, scenario]
        total += own[..., :, None] * own[..., None, :] / np.maximum(seen, 1.0)
    total *= np.asarray(likeness)[..., None, None]
    alone = (spread**2 / np.maximum(counts, 1.0)).sum(-1)
    index = np.arange(counts.shape[-2])
    total[..., index, index] = np.where(known.any(-1), alone, 1e3)
    return total


def cell_likeness(together: Floats, expected: Floats) -> Floats:
    """Correlation of two checkpoints on the same cell, 0..0.9, from summed products of residuals and of deviations."""
    return np.clip(together / np.maximum(expected, 1e-9), 0.0, 0.9)


@dataclass(frozen=True)
class Smoothed:
    """Figures after the epochs next to them have had their say.

    Attributes:
        mean: shape (..., checkpoints).
        covariance: shape (..., checkpoints, checkpoints).
        share: how much of each mean is the checkpoint's own figure and how much comes from other epochs, 0..1 (the
            diagonal of the smoother; 1 is all its own); shape (..., checkpoints).
        reach: of the curve, in checkpoints: the models' mean by evidence; shape (...).
    """

    mean: Floats
    covariance: Floats
    share: Floats
    reach: Floats


def smooth(
    rates: Floats, covariance: Floats, runs: NDArray[np.int64], places: Floats, ideas: Sequence[Model] = RATES
) -> Smoothed:
    """Posterior of the rates.

    Args:
        rates: shape (..., checkpoints); nan counts as unknown and is filled by the neighbours.
        covariance: of their sampling error, shape (..., checkpoints, checkpoints).
        runs: which run each checkpoint belongs to, shape (checkpoints,).
        places: where it stands in its run, in checkpoints, shape (checkpoints,).
        ideas: how they may follow the epochs; weighted by how well they explain the rates.
    """
    known = np.isfinite(rates)
    noise = covariance + np.where(known, 0.0, 1e3)[..., None] * np.eye(rates.shape[-1])
    number = known.sum(-1, keepdims=True)
    middle = np.where(known, rates, 0.0).sum(-1, keepdims=True) / np.maximum(number, 1) + 0.5 * (number == 0)
    values = np.where(known, rates, middle) - middle
    same_run = runs[:, None] == runs[None, :]
    distance = np.abs(places[:, None] - places[None, :])
    evidence, means, covariances, shares = [], [], [], []
    for idea in ideas:
        curve = idea.height**2 * np.exp(-0.5 * (distance / idea.reach) ** 2)
        prior = same_run * (_LEVEL**2 + curve) + idea.own**2 * np.eye(len(runs))
        whole = noise + prior
        factor = np.linalg.cholesky(whole)
        inverse = np.linalg.inv(whole)
        pulled = np.einsum("...ij,...j->...i", inverse, values)
        halves = np.log(np.diagonal(factor, axis1=-2, axis2=-1)).sum(-1)
        evidence.append(-0.5 * (values * pulled).sum(-1) - halves)
        means.append(np.einsum("ij,...j->...i", prior, pulled))
        gain = prior @ inverse
        shares.append(np.diagonal(gain, axis1=-2, axis2=-1))
        covariances.append(prior - gain @ prior)
    weights = np.exp(np.array(evidence) - np.max(evidence, axis=0))
    weights /= weights.sum(0)
    mean = np.einsum("m...,m...i->...i", weights, np.array(means))
    off = np.array(means) - mean
    spread = np.einsum("m...,m...ij->...ij", weights, np.array(covariances))
    spread += np.einsum("m...,m...i,m...j->...ij", weights, off, off)
    return Smoothed(
        mean=mean + middle,
        covariance=spread,
        share=np.clip(np.einsum("m...,m...i->...i", weights, np.array(shares)), 0.0, 1.0),
        reach=np.einsum("m...,m->...", weights, np.array([idea.reach for idea in ideas])),
    )


def draw(mean: Floats, covariance: Floats, rng: np.random.Generator, draws: int = 256) -> Floats:
    """Draw rates from the posterior: shape (..., checkpoints) and (..., checkpoints, checkpoints) to (..., checkpoints,
    draws)."""
    k = mean.shape[-1]
    scale = np.trace(covariance, axis1=-2, axis2=-1)[..., None, None] / k
    factor = np.linalg.cholesky(covariance + (1e-9 + 1e-7 * scale) * np.eye(k))
    return np.asarray(mean[..., None] + factor @ rng.standard_normal((*mean.shape[:-1], k, draws)))
