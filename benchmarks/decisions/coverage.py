"""How often intervals hold what they promise, and how often a checkpoint is wrongly left out.

Every interval at nominal 95 % is drawn on simulated grids and compared with the method's exact coverage for that number
of images and that rate on independent images: with few images no method reaches 95 % everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from service.rankings.clusters import pooled_intervals, wilson_ends
from service.rankings.paired import difference_ends
from service.rankings.posterior import posterior

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RATES = (0.01, 0.05, 0.20, 0.50)
GRIDS = {8: (4, 2), 16: (4, 4), 64: (8, 8), 256: (16, 16)}
"""Images of a checkpoint: scenarios × seeds."""
LIKENESS = 0.2
"""Intraclass correlation of images of one scenario, where there is clustering."""
EPOCHS = 10
"""Checkpoints of a run, which share its scenarios' rates."""
FULL, QUICK = 2000, 400
ERRORS = 3.0
"""Coverage counts as below the exact one if it is so by more than so many standard errors of the simulation."""
NOT_PROMISED = ("cluster bootstrap", "wilson, other prompts", "posterior")
"""Shown, and in no summary: what was not taken, a claim that is not made, and a credible interval."""


@dataclass(frozen=True)
class Covered:
    """Coverage of one interval at one rate and number of images.

    Attributes:
        interval: which one.
        images: of one checkpoint (pairs, for differences).
        rate: true failure rate.
        clustered: whether scenarios differ.
        coverage: share of grids whose interval holds the truth.
        exact: the method's exact coverage on as many independent images.
        width: mean width.
        grids: how many were drawn.
    """

    interval: str
    images: int
    rate: float
    clustered: bool
    coverage: float
    exact: float
    width: float
    grids: int

    @property
    def is_below(self) -> bool:
        """Whether it is below the exact coverage by more than the simulation's error."""
        error = np.sqrt(max(self.exact * (1 - self.exact), 1 / self.grids) / self.grids)
        return bool(self.coverage < self.exact - ERRORS * error)


def measure(seed: int, quick: bool) -> dict[str, Any]:
    """Everything, from one seed.

    Returns:
        ``mean``: coverage over all promised cells; ``below_exact``: share of them that lie below the method's exact
        coverage by more than the simulation's error; ``worst``: the largest shortfall; ``cells``: each of them; and
        ``wrong_exclusions``, ``right_picks`` and ``false_onsets``.
    """
    from benchmarks.decisions.exclusions import false_onsets, wrong_exclusions
    from benchmarks.decisions.picks import right_picks

    grids = QUICK if quick else FULL
    cells = [
        cell
        for place, (images, rate) in enumerate((images, rate) for images in GRIDS for rate in RATES)
        for clustered in (False, True)
        for cell in _cells(images, rate, clustered, grids, np.random.default_rng([seed, place, clustered]))
    ]
    promised = [cell for cell in cells if cell.interval not in NOT_PROMISED]
    return {
        "mean": float(np.mean([cell.coverage for cell in promised])),
        "below_exact": float(np.mean([cell.is_below for cell in promised])),
        "worst": float(max(cell.exact - cell.coverage for cell in promised)),
        "grids": grids,
        "by_interval": _by_interval(cells),
        "cells": [{**asdict(cell), "below": cell.is_below} for cell in cells],
        "wrong_exclusions": wrong_exclusions(seed, 60 if quick else 1000),
        "right_picks": right_picks(seed, 5 if quick else 400),
        "false_onsets": false_onsets(seed, 20 if quick else 200),
    }


def _cells(images: int, rate: float, clustered: bool, grids: int, rng: np.random.Generator) -> Iterator[Covered]:
    scenarios, seeds = GRIDS[images]
    truth = _scenario_rates(rate, scenarios, clustered, grids, rng)
    fails = rng.binomial(seeds, np.repeat(truth[:, None], EPOCHS, axis=1))
    first, total = fails[:, 0].sum(axis=1), np.full(grids, images)
    exact = exact_coverage(images, rate, lambda x: wilson_ends(x, images))

    def cell(interval: str, ends: Floats, target: Any, reference: float) -> Covered:
        inside = (ends[:, 0] <= target + 1e-12) & (target <= ends[:, 1] + 1e-12)
        width = float((ends[:, 1] - ends[:, 0]).mean())
        return Covered(interval, images, rate, clustered, float(inside.mean()), reference, width, grids)

    plain = wilson_ends(first, total)
    # On exactly these prompts the truth is the mean of their own rates, and the exact coverage is that at these.
    own = truth.mean(axis=1)
    own_exact = float(
        np.mean([exact_coverage(images, each, lambda x: wilson_ends(x, images)) for each in np.unique(own)])
    )
    yield cell("wilson", plain, own, own_exact)
    if clustered:
        yield cell("wilson, other prompts", plain, rate, exact)
    totals = np.full((EPOCHS, scenarios), seeds)
    pooled = np.array([pooled_intervals(grid, totals).ends[0] for grid in fails])
    yield cell("pooled", pooled, rate, exact)
    yield cell("cluster bootstrap", _bootstrap(fails[:, 0] / seeds, rng), rate, exact)
    yield _posterior(fails, images, rate, clustered, own, rng)
    yield _paired(images, rate, clustered, grids, rng)


def exact_coverage(images: int, rate: float, interval: Callable[[Ints], Floats]) -> float:
    """Chance that an interval holds the rate, summed over every possible number of failures.

    Args:
        images: independent images.
        rate: true rate.
        interval: from counts, shape ``(counts,)``, to ends, shape ``(counts, 2)``.
    """
    counts = np.arange(images + 1)
    ends = interval(counts)
    inside = (ends[:, 0] <= rate + 1e-12) & (rate <= ends[:, 1] + 1e-12)
    return float(stats.binom(images, rate).pmf(counts)[inside].sum())


def _scenario_rates(rate: float, scenarios: int, clustered: bool, grids: int, rng: np.random.Generator) -> Floats:
    if not clustered:
        return np.full((grids, scenarios), rate)
    spread = 1 / LIKENESS - 1
    return rng.beta(rate * spread, (1 - rate) * spread, size=(grids, scenarios))


def _bootstrap(rates: Floats, rng: np.random.Generator, resamples: int = 500) -> Floats:
    """The percentile interval of redrawn scenarios: what was tried, and not taken."""
    scenarios = rates.shape[1]
    drawn = rng.multinomial(scenarios, np.full(scenarios, 1 / scenarios), size=resamples) / scenarios
    return np.quantile(rates @ drawn.T, [0.025, 0.975], axis=1).T


def _posterior(
    fails: Ints, images: int, rate: float, clustered: bool, target: Floats, rng: np.random.Generator
) -> Covered:
    """The credible interval of the smoothed posterior with two levels, at equal rates of all epochs."""
    fails = fails[:QUICK]
    seeds = images // fails.shape[2]
    scenarios = np.repeat(np.arange(fails.shape[2]), seeds)
    runs, epochs = ["run"] * EPOCHS, list(range(EPOCHS))
    ends = np.zeros((len(fails), 2))
    for number, grid in enumerate(fails):
        cells = rng.permuted((np.arange(seeds) < grid[..., None]).astype(float), axis=-1).reshape(EPOCHS, -1)
        ends[number] = posterior(cells, scenarios, runs, epochs, np.random.default_rng(0), draws=2).interval[0]
    inside = (ends[:, 0] <= target[: len(fails)]) & (target[: len(fails)] <= ends[:, 1])
    width = float((ends[:, 1] - ends[:, 0]).mean())
    return Covered("posterior", images, rate, clustered, float(inside.mean()), 0.95, width, len(fails))


def _paired(images: int, rate: float, clustered: bool, grids: int, rng: np.random.Generator) -> Covered:
    """The paired difference of two checkpoints: the second fails more often by half, and shares half of the failures.

    With clustering both rates of a scenario rise and fall together, so that the difference does too.
    """
    scenarios, seeds = GRIDS[images]
    ratio = 1.5 if rate < 0.5 else 1.2
    level = _scenario_rates(rate, scenarios, clustered, grids, rng).repeat(seeds, axis=1)
    level = np.minimum(level, 1 / ratio)
    first_only, second_only = 0.5 * level, (ratio - 0.5) * level
    dice = rng.random((grids, images))
    left = (dice < first_only).sum(axis=1)
    right = ((dice >= first_only) & (dice < first_only + second_only)).sum(axis=1)
    ends = difference_ends(left, right, images)
    target = (second_only - first_only).mean(axis=1)
    inside = (ends[:, 0] <= target + 1e-12) & (target <= ends[:, 1] + 1e-12)
    exact = _exact_paired(images, 0.5 * rate, (ratio - 0.5) * rate)
    width = float((ends[:, 1] - ends[:, 0]).mean())
    return Covered("paired difference", images, rate, clustered, float(inside.mean()), exact, width, grids)


def _exact_paired(pairs: int, first_only: float, second_only: float) -> float:
    left, right = np.meshgrid(np.arange(pairs + 1), np.arange(pairs + 1), indexing="ij")
    possible = left + right <= pairs
    left, right = left[possible], right[possible]
    chance = stats.multinomial(pairs, [first_only, second_only, 1 - first_only - second_only]).pmf(
        np.stack([left, right, pairs - left - right], axis=1)
    )
    ends = difference_ends(left, right, pairs)
    target = second_only - first_only
    return float(chance[(ends[:, 0] <= target + 1e-12) & (target <= ends[:, 1] + 1e-12)].sum())


def _by_interval(cells: list[Covered]) -> dict[str, dict[str, Any]]:
    found = {}
    for name in dict.fromkeys(cell.interval for cell in cells):
        for clustered in (False, True):
            own = [cell for cell in cells if cell.interval == name and cell.clustered == clustered]
            if own:
                found[f"{name}, {'clustered' if clustered else 'independent'}"] = {
                    "mean": float(np.mean([cell.coverage for cell in own])),
                    "exact": float(np.mean([cell.exact for cell in own])),
                    "lowest": float(min(cell.coverage for cell in own)),
                    "below_exact": int(sum(cell.is_below for cell in own)),
                    "cells": len(own),
                    "width": float(np.mean([cell.width for cell in own])),
                    "promised": name not in NOT_PROMISED,
                }
    return found
