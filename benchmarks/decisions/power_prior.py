"""The smoothing that was tried first and given up: neighbours' counts added to a checkpoint's own.

A Dirichlet prior in which the counts of neighbouring epochs count for a part (a power prior, Ibrahim and Chen 2000),
its reach and strength chosen by how well the others predict each checkpoint (a pseudo-likelihood, Besag 1975). It takes
images as independent, so that it cannot tell jumps from luck where scenarios differ and seeds are shared, and then
trusts neighbours too much. Kept here so that the comparison can be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from service.rankings.posterior import FAR, epoch_steps

Floats = NDArray[np.float64]

WIDTHS = (0.75, 1.5, 3.0, math.inf)
STRENGTHS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
DEAREST = 0.9
LOCAL_GAIN = 1.0


def power_prior_costs(
    costs: Floats, runs: Sequence[str], epochs: Sequence[int], breaks: Mapping[str, int] | None = None
) -> Floats:
    """Expected cost of each checkpoint, shape ``(checkpoints,)``.

    Args:
        costs: shape ``(checkpoints, cells)``, nan where nothing was measured.
        runs: name of each checkpoint's run.
        epochs: each checkpoint's epoch.
        breaks: by run, an epoch across which nothing is borrowed.
    """
    levels = np.unique(np.append(costs[~np.isnan(costs)], [0.0, 1.0]))
    counts = (costs[..., None] == levels).sum(axis=1).astype(float)
    alpha = counts + 1 / len(levels)
    for run in dict.fromkeys(runs):
        own = np.array([place for place, name in enumerate(runs) if name == run])
        known = np.array([epochs[place] for place in own])
        steps = epoch_steps(known.tolist())
        if breaks and run in breaks:
            steps[known >= breaks[run]] += FAR
        alpha[own] += _best(counts[own], steps)
    return np.asarray(alpha @ levels / alpha.sum(axis=1))


def _best(counts: Floats, steps: Floats) -> Floats:
    """What the others add to each checkpoint's counts under the choice that predicts best."""
    options = [_borrowed(counts, steps, WIDTHS[0], 0.0)]
    scores = [_log_evidence(counts, options[0])]
    for strength in STRENGTHS[1:]:
        for width in WIDTHS:
            options.append(_borrowed(counts, steps, width, strength))
            scores.append(_log_evidence(counts, options[-1]) - LOCAL_GAIN * math.isfinite(width))
    return options[int(np.argmax(scores))]


def _borrowed(counts: Floats, steps: Floats, width: float, strength: float) -> Floats:
    distance = np.abs(steps[:, None] - steps[None, :])
    weights = np.exp(-0.5 * (distance / width) ** 2) * (distance < FAR / 2)
    np.fill_diagonal(weights, 0.0)
    near = weights @ counts
    worth = strength * counts.sum() / len(counts)
    return np.asarray(near * np.minimum(DEAREST, worth / np.maximum(near.sum(axis=1, keepdims=True), 1e-12)))


def _log_evidence(counts: Floats, added: Floats) -> float:
    alpha = 1 / counts.shape[1] + added
    total = gammaln(alpha.sum(axis=1)) - gammaln((alpha + counts).sum(axis=1))
    return float((total + (gammaln(alpha + counts) - gammaln(alpha)).sum(axis=1)).sum())
