"""How likely each checkpoint is the best, and what choosing it costs: a posterior that borrows from nearby epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WIDTHS = (0.75, 1.5, 3.0, math.inf)
"""How far neighbours reach, in steps between saved epochs (standard deviation of the kernel). Without end, all epochs
of a run count alike: they are then pulled together, and keep their order."""
STRENGTHS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""What all neighbours together are worth, in multiples of the images that a checkpoint has on average. How far they
reach and how much they are worth are two things: where rates follow a curve but jump around it from epoch to epoch,
the curve helps, and a checkpoint's own images count all the same."""
DEAREST = 0.9
"""No neighbour's image counts more than this part of an image of one's own."""
LOCAL_GAIN = 1.0
"""By so much log probability a kernel that prefers neighbours has to predict better than one that does not."""
DRAWS = 4000
FAR = 1e6
"""Steps between the epochs before and after a break: no kernel reaches so far."""


@dataclass(frozen=True)
class Smoothing:
    """How much a run's neighbouring epochs say about each other.

    Attributes:
        width: reach of the kernel, in steps between saved epochs; infinite where all epochs of the run count alike.
        strength: what all neighbours together are worth, in multiples of a checkpoint's own images; 0 means nothing
            is borrowed.
    """

    width: float
    strength: float


@dataclass(frozen=True)
class Posterior:
    """What is believed about each checkpoint's expected cost of an image.

    Attributes:
        mean: shape ``(checkpoints,)``, 0..1, lower is better.
        interval: shape ``(checkpoints, 2)``, 95 % credible.
        p_best: shape ``(checkpoints,)``, sums to 1: how probable it is that none costs less.
        regret: shape ``(checkpoints,)``: expected cost above that of the best, whichever that is.
        smoothing: by run.
    """

    mean: Floats
    interval: Floats
    p_best: Floats
    regret: Floats
    smoothing: dict[str, Smoothing]


def posterior(
    counts: NDArray[Any],
    costs: Sequence[float],
    runs: Sequence[str],
    epochs: Sequence[int | None],
    rng: np.random.Generator,
    draws: int = DRAWS,
    breaks: Mapping[str, int] | None = None,
) -> Posterior:
    """Believe in each checkpoint's cost after seeing its images and, as far as that helps, its neighbours'.

    What an image costs is one of a few levels; the shares of the levels have a Dirichlet distribution (with the two
    levels "holds" and "fails" a Beta: the Beta-Binomial model). Before its own images, a checkpoint's share is expected
    to be like its neighbours' in the same run: their images count in its prior with a weight that falls with the
    distance in epochs (a power prior, Ibrahim and Chen 2000). Reach and strength of that are chosen for each run by
    empirical Bayes: those that best predict each checkpoint's images from the others' (:func:`choose_smoothing`).
    Beneath it lies one made-up image, spread evenly over the levels.

    The checkpoints' draws are independent given the data, although they share seeds: differences between
    neighbours come out a little too uncertain, which is the safe side.

    Args:
        counts: shape ``(checkpoints, levels)``: measured images by what they cost.
        costs: shape ``(levels,)``: what an image of each level costs, 0..1.
        runs: name of each checkpoint's run.
        epochs: each checkpoint's epoch; one without borrows from none.
        rng: drives the draws.
        draws: how many; a probability is then known to about 0.5 / sqrt(draws).
        breaks: by run, an epoch from which on something breaks: nothing is borrowed across it.
    """
    weights = np.asarray(costs, dtype=float)
    alpha, smoothing = smoothed(counts, runs, epochs, breaks)
    if not len(alpha):
        return Posterior(np.zeros(0), np.zeros((0, 2)), np.zeros(0), np.zeros(0), smoothing)
    shares = rng.standard_gamma(alpha, size=(draws, *alpha.shape))
    cost = shares @ weights / shares.sum(axis=2)
    best = cost.min(axis=1, keepdims=True)
    return Posterior(
        mean=alpha @ weights / alpha.sum(axis=1),
        interval=np.quantile(cost, [0.025, 0.975], axis=0).T,
        p_best=np.bincount(cost.argmin(axis=1), minlength=len(alpha)) / draws,
        regret=(cost - best).mean(axis=0),
        smoothing=smoothing,
    )


def smoothed(
    counts: NDArray[Any],
    runs: Sequence[str],
    epochs: Sequence[int | None],
    breaks: Mapping[str, int] | None = None,
) -> tuple[Floats, dict[str, Smoothing]]:
    """Parameters of each checkpoint's Dirichlet posterior, shape ``(checkpoints, levels)``, and the smoothing by run.

    Args:
        counts: shape ``(checkpoints, levels)``: measured images by what they cost.
        runs: name of each checkpoint's run.
        epochs: each checkpoint's epoch.
        breaks: by run, an epoch across which nothing is borrowed.
    """
    counts = np.asarray(counts, dtype=np.float64)
    alpha = counts + 1 / counts.shape[1]
    smoothing: dict[str, Smoothing] = {}
    for run in dict.fromkeys(runs):
        own = np.array([place for place, name in enumerate(runs) if name == run and epochs[place] is not None], int)
        if len(own) < 2:
            smoothing[run] = Smoothing(WIDTHS[0], 0.0)
            continue
        known = [epochs[place] or 0 for place in own]
        steps = epoch_steps(known)
        if breaks and run in breaks:
            steps[np.array(known) >= breaks[run]] += FAR
        smoothing[run] = choose_smoothing(counts[own], steps)
        alpha[own] += borrowed(counts[own], steps, smoothing[run])
    return alpha, smoothing


def epoch_steps(epochs: Sequence[int]) -> Floats:
    """Epochs in units of the usual distance between saved ones, so that 148 and 150 are nearer than 144 and 148."""
    values = np.asarray(epochs, dtype=float)
    gaps = np.diff(np.unique(values))
    return values / (float(np.median(gaps)) if len(gaps) else 1.0)


def kernel(steps: Floats, width: float) -> Floats:
    """How much each checkpoint has to say about each other, shape ``(checkpoints, checkpoints)``, diagonal 0."""
    distance = np.abs(steps[:, None] - steps[None, :])
    weights = np.exp(-0.5 * (distance / width) ** 2) * (distance < FAR / 2)
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights, dtype=np.float64)


def borrowed(counts: Floats, steps: Floats, smoothing: Smoothing) -> Floats:
    """What the others add to each checkpoint's counts, shape ``(checkpoints, levels)``."""
    near = kernel(steps, smoothing.width) @ counts
    images = near.sum(axis=1, keepdims=True)
    worth = smoothing.strength * counts.sum() / len(counts)
    return np.asarray(near * np.minimum(DEAREST, worth / np.maximum(images, 1e-12)))


def choose_smoothing(counts: Floats, steps: Floats) -> Smoothing:
    """The smoothing under which the others' images best predict each checkpoint's own.

    It maximises the sum over checkpoints of the Dirichlet-multinomial log probability of its counts, with the prior
    that its neighbours give it (a pseudo-likelihood, Besag 1975). Nothing is borrowed unless that predicts better, and
    neighbours are preferred to other epochs only if that predicts better by :data:`LOCAL_GAIN`.

    Args:
        counts: shape ``(checkpoints, levels)``.
        steps: shape ``(checkpoints,)``, from :func:`epoch_steps`.
    """
    options = [
        Smoothing(width, strength)
        for strength in STRENGTHS
        for width in (WIDTHS if strength else WIDTHS[:1])  # without strength the reach is no matter
    ]
    scores = [
        log_evidence(counts, 1 / counts.shape[1] + borrowed(counts, steps, option)).sum()
        - (LOCAL_GAIN if option.strength and math.isfinite(option.width) else 0.0)
        for option in options
    ]
    return options[int(np.argmax(scores))]


def log_evidence(counts: Floats, alpha: Floats) -> Floats:
    """Log probability of counts under a Dirichlet-multinomial prior, but for the number of orders, by row.

    Args:
        counts: shape ``(..., levels)``.
        alpha: the prior's parameters, the same shape.
    """
    from scipy.special import gammaln  # slow to import, so only where it is needed

    total = gammaln(alpha.sum(axis=-1)) - gammaln((alpha + counts).sum(axis=-1))
    return np.asarray(total + (gammaln(alpha + counts) - gammaln(alpha)).sum(axis=-1))
