"""How likely each checkpoint is the best, and what choosing it costs: a posterior that borrows from nearby epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.rankings.intervals import Z
from service.rankings.smoothing import Smoothed, draw, models, smooth

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

IDEAS = models(reaches=(2.0, 5.0, 12.0), heights=(0.05, 0.2), own=(0.01, 0.03, 0.1, 0.3))
"""How angles (below) may follow the epochs: reach in steps between saved epochs, the rest in radians; 0.1 is 9 points
of a rate of 30 %, 2 points of one of 1 %."""
DRAWS = 4000
FAR = 1e6
"""Steps between the epochs before and after a break: no curve reaches so far."""
ANSCOMBE = 0.375
"""Images added to either end before the angle is taken, so that none failing is not certainty (Anscombe 1948). To a
checkpoint of several they are added at the rate of all: the same shift on each would look like knowledge."""
COMMON_CELLS = 2.0
"""With few images, how a scenario scatters is taken from all checkpoints together, as if so many images were theirs."""


@dataclass(frozen=True)
class Smoothing:
    """How much a run's other epochs say about each one.

    Attributes:
        width: how far the curve over epochs reaches, in steps between saved epochs.
        strength: part of what is believed of an epoch that comes from the others, 0..1, their mean.
    """

    width: float
    strength: float


@dataclass(frozen=True)
class Posterior:
    """What is believed about each checkpoint's expected cost of an image.

    Attributes:
        mean: shape ``(checkpoints,)``, 0..1, lower is better.
        interval: shape ``(checkpoints, 2)``, 95 % credible, on exactly these prompts.
        p_best: shape ``(checkpoints,)``, sums to 1: how probable it is that none costs less.
        regret: shape ``(checkpoints,)``: expected cost above that of the best, whichever that is.
        smoothing: by run.
    """

    mean: Floats
    interval: Floats
    p_best: Floats
    regret: Floats
    smoothing: dict[str, Smoothing]


@dataclass(frozen=True)
class Angles:
    """Mean costs c on a scale on which luck has the same size everywhere: arcsin √(c / dearest), 0..π/2.

    Attributes:
        values: shape ``(checkpoints,)``.
        covariance: of their sampling error, shape ``(checkpoints, checkpoints)``.
        design_effect: shape ``(checkpoints,)``, at most 1: how many images say as much as one independent image would.
        likeness: correlation of two checkpoints on the same cell, 0..0.9.
    """

    values: Floats
    covariance: Floats
    design_effect: Floats
    likeness: float


def posterior(
    costs: Floats,
    scenarios: Ints,
    runs: Sequence[str],
    epochs: Sequence[int | None],
    rng: np.random.Generator,
    *,
    dearest: float = 1.0,
    breaks: Mapping[str, int] | None = None,
    draws: int = DRAWS,
) -> Posterior:
    """Believe in each checkpoint's cost after seeing its images and, as far as that helps, its neighbours'.

    The angle of the mean cost (:func:`angles`) is a Gaussian with a known error; over the epochs of a run it follows a
    curve, and each epoch lies off it by a part of its own (:func:`service.rankings.smoothing.smooth`). How far the
    curve reaches and swings, and how large the own parts are, the data say: models are averaged by their marginal
    likelihood. So where rates jump from epoch to epoch, a checkpoint's own images count.

    Runs are independent of each other, although they share seeds: differences between runs come out a little too
    uncertain, which is the safe side.

    Args:
        costs: shape ``(checkpoints, cells)``, 0..dearest: what the image of a cell costs; nan where there is none.
        scenarios: shape ``(cells,)``: number of each cell's scenario, from 0.
        runs: name of each checkpoint's run.
        epochs: each checkpoint's epoch; one without borrows from none.
        rng: drives the draws.
        dearest: what the worst image would cost.
        breaks: by run, an epoch from which on something breaks: nothing is borrowed across it.
        draws: how many; a probability is then known to about 0.5 / sqrt(draws).
    """
    if not len(runs):
        return Posterior(np.zeros(0), np.zeros((0, 2)), np.zeros(0), np.zeros(0), {})
    parts, smoothing = smoothed(costs, scenarios, runs, epochs, dearest, breaks)
    mean, interval = np.zeros(len(runs)), np.zeros((len(runs), 2))
    drawn = np.zeros((len(runs), draws))
    for own, part in parts:
        mean[own] = mean_cost(part, dearest)
        spread = Z * np.sqrt(np.diag(part.covariance))
        ends = np.clip(np.stack([part.mean - spread, part.mean + spread], axis=-1), 0.0, np.pi / 2)
        interval[own] = dearest * np.sin(ends) ** 2
        # Angles below 0 are mirrored, as in the closed form of the mean: were they cut off, all would be equally best.
        drawn[own] = dearest * np.sin(draw(part.mean, part.covariance, rng, draws)) ** 2
    return Posterior(
        mean=mean,
        interval=interval,
        p_best=np.bincount(drawn.argmin(axis=0), minlength=len(runs)) / draws,
        regret=(drawn - drawn.min(axis=0)).mean(axis=1),
        smoothing=smoothing,
    )


def expected_costs(
    costs: Floats,
    scenarios: Ints,
    runs: Sequence[str],
    epochs: Sequence[int | None],
    dearest: float = 1.0,
    breaks: Mapping[str, int] | None = None,
) -> Floats:
    """The mean of :func:`posterior` alone, shape ``(checkpoints,)``; for the arguments see there."""
    mean = np.zeros(len(runs))
    for own, part in smoothed(costs, scenarios, runs, epochs, dearest, breaks)[0]:
        mean[own] = mean_cost(part, dearest)
    return mean


def smoothed(
    costs: Floats,
    scenarios: Ints,
    runs: Sequence[str],
    epochs: Sequence[int | None],
    dearest: float,
    breaks: Mapping[str, int] | None = None,
) -> tuple[list[tuple[Ints, Smoothed]], dict[str, Smoothing]]:
    """Smoothed angles of each run: which checkpoints they are of, and what is believed; and how far epochs were pooled.

    A checkpoint without an epoch is a part by itself.
    """
    parts: list[tuple[Ints, Smoothed]] = []
    smoothing: dict[str, Smoothing] = {}
    for run in dict.fromkeys(runs):
        members = [place for place, name in enumerate(runs) if name == run]
        dated = [place for place in members if epochs[place] is not None]
        for group in ([dated] if dated else []) + [[place] for place in members if epochs[place] is None]:
            own = np.array(group, dtype=np.int64)
            known = [epochs[place] or 0 for place in group]
            steps = epoch_steps(known)
            if breaks and run in breaks and group is dated:
                steps[np.array(known) >= breaks[run]] += FAR
            found = angles(costs[own], scenarios, dearest)
            part = smooth(found.values, found.covariance, np.zeros(len(own), np.int64), steps, IDEAS)
            parts.append((own, part))
            if group is dated and len(group) > 1:
                smoothing[run] = Smoothing(float(part.reach), float(1 - part.share.mean()))
        smoothing.setdefault(run, Smoothing(IDEAS[0].reach, 0.0))
    return parts, smoothing


def angles(costs: Floats, scenarios: Ints, dearest: float) -> Angles:
    """Mean costs as angles, and how sure they are.

    Pictures of one scenario resemble each other: where a checkpoint nearly always fails in some scenarios and nearly
    never in others, its rate *on these prompts* is known far better than from as many independent images. The error is
    that of a stratified mean (Neyman 1934), and on the angles' scale 1 / (4 n) times its design effect. Checkpoints
    that are unlucky on the same seeds err together, so that luck explains less of the difference between them.

    Args:
        costs: shape ``(checkpoints, cells)``, nan where nothing was measured.
        scenarios: shape ``(cells,)``.
        dearest: what the worst image would cost.
    """
    dearest = max(dearest, 1e-9)
    measured = ~np.isnan(costs)
    shares = np.where(measured, costs, 0.0) / dearest
    known = measured.astype(np.float64)
    groups = np.eye(int(scenarios.max(initial=0)) + 1)[scenarios]
    counts, sums, squares = known @ groups, shares @ groups, shares**2 @ groups
    mean = _drawn(sums, counts)
    variance = np.maximum(_drawn(squares, counts) - mean**2, 1e-9)
    images = known.sum(axis=1)
    overall = (counts * mean).sum(axis=1) / np.maximum(images, 1)
    within = (counts * variance).sum(axis=1) / np.maximum(images, 1)
    effect = np.where(images > 0, np.minimum(1.0, within / np.maximum(overall * (1 - overall), 1e-12)), 1.0)
    residual = np.where(measured, (shares - mean[:, scenarios]) / np.sqrt(variance[:, scenarios]), 0.0)
    together = float((residual.sum(axis=0) ** 2 - (residual**2).sum(axis=0)).sum())
    pairs = float((known.sum(axis=0) * (known.sum(axis=0) - 1)).sum())
    likeness = float(np.clip(together / max(pairs, 1.0), 0.0, 0.9))
    spread = np.sqrt(effect / (4 * (images + 2 * ANSCOMBE)))
    shared = (known @ known.T) / np.sqrt(np.maximum(np.outer(images, images), 1.0))
    covariance = likeness * shared * np.outer(spread, spread)
    np.fill_diagonal(covariance, spread**2)
    total = shares.sum(axis=1)
    pooled = (total.sum() + ANSCOMBE) / (images.sum() + 2 * ANSCOMBE)
    values = np.arcsin(np.sqrt((total + 2 * ANSCOMBE * pooled) / (images + 2 * ANSCOMBE)))
    return Angles(np.where(images > 0, values, np.nan), covariance, effect, likeness)


def mean_cost(part: Smoothed, dearest: float = 1.0) -> Floats:
    """Expected cost of an angle that is a Gaussian: E[sin²θ] = (1 - e^(-2 σ²) cos 2μ) / 2."""
    doubt = np.exp(-2 * np.diag(part.covariance))
    return np.asarray(dearest * (1 - doubt * np.cos(2 * part.mean)) / 2)


def epoch_steps(epochs: Sequence[int]) -> Floats:
    """Epochs in units of the usual distance between saved ones, so that 148 and 150 are nearer than 144 and 148."""
    values = np.asarray(epochs, dtype=float)
    gaps = np.diff(np.unique(values))
    return values / (float(np.median(gaps)) if len(gaps) else 1.0)


def _drawn(sums: Floats, counts: Floats) -> Floats:
    """Means by checkpoint and scenario, drawn towards the scenario's mean over all checkpoints."""
    common = (sums.sum(axis=0) + 0.25) / (counts.sum(axis=0) + 0.5)
    return np.asarray((sums + COMMON_CELLS * common) / (counts + COMMON_CELLS))
