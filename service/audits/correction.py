"""Failure rates corrected by audits. Pure: counts in, rates and intervals out, with an explicit generator.

The estimate is prediction-powered inference (Angelopoulos et al., Science 382, 2023; power tuning: PPI++,
arXiv 2311.01453) as ``ppi-python`` computes it, with 1 / (chance of being drawn) as weights. Its own interval is a
normal one: with the few labels of an audit that contradict the machine it covers less than it says (measured by
``python -m benchmarks.audits``). So the interval given here is another one: within each of the machine's verdicts the
share that really fails has a Beta posterior with Jeffreys' prior, the verdicts' shares a Dirichlet one, and the rate is
their mixture, sampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from threading import Thread

import numpy as np
from numpy.typing import NDArray

from service.audits.counts import FAILS, AuditCounts, Floats

LEVEL = 0.95
LEAST_LABELS = 10
"""Fewer labels than this correct nothing: the uncorrected rate stands, with a warning."""
OWN_LABELS = 100
"""From so many labels of its own a checkpoint is corrected by them alone; below, by what all checkpoints share. At 30
of its own the shared model still errs less, whether or not the error differs (``python -m benchmarks.audits``)."""
DRAWS = 4000
Interval = tuple[float, float]

_MEANS = 60
# How alike checkpoints are: a checkpoint's own error has the weight of this many labels of the shared one.
_LIKENESS = np.geomspace(2.0, 2000.0, 24)


@dataclass(frozen=True)
class CorrectedRate:
    """A failure rate before and after.

    Attributes:
        uncorrected: the machine's rate, 0..1; ``None`` if it measured nothing.
        corrected: the rate after the audits; ``None`` where there are too few.
        interval: 95 % interval of ``corrected``.
        normal_interval: the one of ``ppi-python``, for comparison; ``None`` where it was not computed.
        labels: audits it rests on.
        method: ``own`` (this group's labels alone), ``shared`` (labels of all checkpoints, as far as they are alike),
            or ``none``.
        warning: why there is no correction; empty if there is one.
    """

    uncorrected: float | None
    corrected: float | None
    interval: Interval | None
    normal_interval: Interval | None
    labels: int
    method: str
    warning: str = ""


def pooled_rate(counts: AuditCounts, rng: np.random.Generator, least: int = LEAST_LABELS) -> CorrectedRate:
    """The rate over all checkpoints of ``counts`` together, corrected by their labels."""
    if counts.rate is None or counts.labels < least:
        return _uncorrected(counts, least)
    human, machine, weights = counts.units()
    everything = np.repeat([0.0, 1.0], [counts.population[:, :FAILS].sum(), counts.population[:, FAILS].sum()])
    estimate, normal = prediction_powered(human, machine, everything, weights)
    interval = _interval(_mixture(counts, rng))
    return CorrectedRate(counts.rate, _inside(estimate, interval), interval, normal, counts.labels, "own")


def checkpoint_rates(counts: AuditCounts, rng: np.random.Generator) -> list[CorrectedRate]:
    """Each checkpoint's corrected rate: by its own labels where it has :data:`OWN_LABELS`, else by shared ones.

    Sharing is a hierarchical model (Gelman et al., Bayesian Data Analysis, 3rd ed., 5.3): within each of the machine's
    verdicts, the checkpoints' shares that really fail come from one Beta distribution whose mean and spread are
    estimated. If the error is alike everywhere the labels add up; if not, the intervals grow.
    """
    shared = _shared(counts, rng) if counts.labels >= LEAST_LABELS else None
    rates = []
    for place in range(counts.checkpoints):
        own = counts.only(place)
        if own.labels >= OWN_LABELS:
            rates.append(pooled_rate(own, rng))
        elif shared is None or own.rate is None:
            rates.append(_uncorrected(own if own.rate is None else counts, LEAST_LABELS, own.rate))
        else:
            draws = shared[place]
            rates.append(CorrectedRate(own.rate, float(draws.mean()), _interval(draws), None, counts.labels, "shared"))
    return rates


def prediction_powered(
    human: Floats, machine: Floats, everything: Floats, weights: Floats, level: float = LEVEL
) -> tuple[float, Interval]:
    """``ppi-python``'s estimate of a mean with its normal interval, cut to 0..1.

    Args:
        human: (labels,) what people said, 1 fails.
        machine: (labels,) what the machine said of the same findings.
        everything: (N,) what the machine said of all findings.
        weights: (labels,) 1 / chance of having been drawn, in any unit.
        level: of the interval; the library's default is 0.90.
    """
    from ppi_py import ppi_mean_ci, ppi_mean_pointestimate  # slow to import: it compiles

    # With one value everywhere there is nothing to tune, and the library's tuning divides by zero.
    tuning = 1.0 if np.ptp(np.concatenate([machine, everything])) == 0 else None
    estimate = ppi_mean_pointestimate(human, machine, everything, lam=tuning, w=weights)
    low, high = ppi_mean_ci(human, machine, everything, alpha=1 - level, lam=tuning, w=weights)
    value, low, high = (float(np.clip(np.ravel(each)[0], 0.0, 1.0)) for each in (estimate, low, high))
    return value, (low, high)


@cache
def warm_up() -> None:
    """Begin to import what the correction needs, which takes seconds, while a person looks at the first picture."""
    Thread(target=import_module, args=("ppi_py",), name="warm-up", daemon=True).start()


def effective_counts(counts: AuditCounts) -> tuple[Floats, Floats]:
    """Labels and failing labels for each of the machine's verdicts, each (3,), over all checkpoints.

    Labels drawn with unequal chances count less than as many drawn with equal ones: Kish's effective number,
    (sum of weights)^2 / (sum of squared weights).
    """
    chance = np.where(counts.labelled > 0, counts.probability, 1.0)
    weight = np.where(counts.labelled > 0, 1.0 / chance, 0.0)
    total = (weight * counts.labelled).sum(0)
    squares = (weight**2 * counts.labelled).sum(0)
    number = np.divide(total**2, squares, out=np.zeros_like(total), where=squares > 0)
    share = np.divide((weight * counts.failing).sum(0), total, out=np.zeros_like(total), where=total > 0)
    return number, number * share


def _mixture(counts: AuditCounts, rng: np.random.Generator) -> Floats:
    """Draws of the rate over all checkpoints, (DRAWS,)."""
    number, failing = effective_counts(counts)
    shares = _shares(counts.population.sum(0), rng)
    truth = rng.beta(failing + 0.5, number - failing + 0.5, (DRAWS, len(number)))
    return np.asarray((shares * truth).sum(1))


def _shares(population: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Draws of the share of each verdict, (DRAWS, 3); a verdict that the machine never gave has none."""
    given = population > 0
    shares = np.zeros((DRAWS, len(population)))
    shares[:, given] = rng.dirichlet(population[given] + 1.0 / given.sum(), DRAWS)
    return shares


def _shared(counts: AuditCounts, rng: np.random.Generator) -> list[Floats]:
    """Draws of every checkpoint's rate, each (DRAWS,), from the hierarchical model."""
    truth = np.stack([_truths(counts.failing[:, v], counts.labelled[:, v], rng) for v in range(3)], axis=2)
    return [
        np.asarray((_shares(population, rng) * truth[:, place]).sum(1)) if population.sum() else np.zeros(DRAWS)
        for place, population in enumerate(counts.population)
    ]


def _truths(failing: NDArray[np.int64], labelled: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Draws of the share that really fails at each checkpoint, (DRAWS, K), under one of the machine's verdicts.

    The posterior of mean and likeness is taken on a grid: Jeffreys' prior on the mean, and equal weight for equal steps
    of log likeness.
    """
    from scipy.special import betaln

    # Equal prior mass in each step: quantiles of Beta(1/2, 1/2), the arcsine distribution.
    means = np.sin(np.pi / 2 * (np.arange(_MEANS) + 0.5) / _MEANS) ** 2
    mean, likeness = (axis.ravel() for axis in np.meshgrid(means, _LIKENESS, indexing="ij"))
    first, second = mean * likeness, (1 - mean) * likeness
    fit = betaln(failing[:, None] + first, (labelled - failing)[:, None] + second) - betaln(first, second)
    odds = fit.sum(0)
    chosen = rng.choice(len(odds), DRAWS, p=(posterior := np.exp(odds - odds.max())) / posterior.sum())
    return rng.beta(failing + first[chosen, None], labelled - failing + second[chosen, None])


def _uncorrected(counts: AuditCounts, least: int, rate: float | None = None) -> CorrectedRate:
    own = counts.rate if rate is None else rate
    if own is None:
        return CorrectedRate(None, None, None, None, 0, "none", "the machine measured nothing here")
    are = "label is" if counts.labels == 1 else "labels are"
    warning = f"{counts.labels} {are} too few to correct this rate; at least {least} are needed"
    return CorrectedRate(own, None, None, None, counts.labels, "none", warning)


def _interval(draws: Floats, level: float = LEVEL) -> Interval:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _inside(value: float, interval: Interval) -> float:
    """The estimate, moved to the interval's end if it lies outside: both come from the same labels."""
    return float(np.clip(value, *interval))
