"""Images needed to be right 95 times in 100: uniform grids against the adaptive budget."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.proportion import proportion_confint

from benchmarks.decisions.bounds import lower_bound
from benchmarks.decisions.races import adaptive, uniform
from benchmarks.decisions.worlds import TEN, World, good_run_rates, sweep_rates
from service.rankings.allocation import Ending, Rules

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Instance:
    """A world, and the budgets at which the two methods are compared (images, multiples of a uniform block)."""

    world: World
    uniform: tuple[int, ...]
    adaptive: tuple[int, ...]
    races: int


TEN_ALONE = World(TEN, scenarios=12, shuffled=True)
TEN_SHARED = World(TEN, scenarios=12, spread=0.7, shared=0.4, by_seed=0.1, shuffled=True)
SWEEP = World(sweep_rates(), scenarios=12, spread=0.7, shared=0.4, neighbours=0.3, by_seed=0.1)
GOOD_RUN = World(good_run_rates(), scenarios=12, spread=0.7, shared=0.4, neighbours=0.3, by_seed=0.1)

INSTANCES = {
    "ten": Instance(TEN_ALONE, (1200, 2400, 3600, 4800, 6000), (1200, 1800, 2400, 3000), 1000),
    "sweep": Instance(SWEEP, (1368, 2736, 5472, 9120, 13680, 18240), (1368, 1824, 2736, 3648), 300),
    "ten_shared": Instance(TEN_SHARED, (1200, 2400, 3600, 4800), (1200, 1800, 2400), 400),
    "good_run": Instance(GOOD_RUN, (456, 912, 1368, 1824), (912, 1368, 1824), 150),
    "ten_noisy": Instance(
        replace(TEN_ALONE, sensitivity=0.9, specificity=0.9),
        (2400, 4800, 7200, 9600, 12000, 14400),
        (3600, 4800, 6000, 7200),
        250,
    ),
    "sweep_noisy": Instance(
        replace(SWEEP, sensitivity=0.9, specificity=0.9),
        (5472, 10944, 18240, 27360, 36480),
        (3648, 5472, 7296),
        100,
    ),
}
QUICK = {"ten": 300, "sweep": 100}
"""Races of the quick measurement."""


def measure(instance: Instance, races: int, rng: np.random.Generator) -> dict[str, Any]:
    """Right answers at each budget, and the images for 95 % by interpolation.

    Returns:
        ``uniform``, ``adaptive``: images for 95 %, ``None`` if no budget reached that; ``ratio`` and its 95 % interval
        (parametric bootstrap of the counts); ``lower_bound``; ``right``: share and Wilson interval by budget.
    """
    world = instance.world
    block = len(world.rates) * world.scenarios
    grid = np.array(uniform(world, [images // block for images in instance.uniform], races, rng))
    smooth = not world.shuffled
    raced = [adaptive(world, Rules(images), races, rng, smooth=smooth) for images in instance.adaptive]
    smart = np.array([int(each.right.sum()) for each in raced])
    used = np.array([each.used.mean() for each in raced])
    plain = images_for(np.array(instance.uniform, float), grid / races)
    clever = images_for(used, smart / races)
    low, high = ratio_interval(np.array(instance.uniform, float), grid, used, smart, races, rng)
    return {
        "uniform": _whole(plain),
        "adaptive": _whole(clever),
        "ratio": _rounded(clever / plain),
        "ratio_interval": [_rounded(low), _rounded(high)],
        "lower_bound": round(lower_bound(np.sort(world.observed), _margin(world))),
        "right": {
            "uniform": _shares(instance.uniform, grid, races),
            "adaptive": _shares(instance.adaptive, smart, races),
        },
        "adaptive_used": [round(float(mean)) for mean in used],
        "endings": [{each.name.lower(): one.share(each) for each in Ending if one.share(each)} for one in raced],
        "rate_error_confirmed": [
            round(float(np.nanmean(one.confirmed - _seen(world, one.picked))), 4) for one in raced
        ],
        "races": races,
    }


def images_for(images: Floats, right: Floats, wanted: float = 0.95) -> float:
    """Images at which the share of right answers reaches ``wanted``: the log of the error interpolated, made monotone.

    nan if even the largest budget does not reach it; the smallest budget if that does already.

    >>> round(images_for(np.array([100.0, 200.0]), np.array([0.9, 0.975])))
    150
    """
    errors = np.log(np.maximum(1 - np.maximum.accumulate(right), 1e-4))
    target = np.log(1 - wanted)
    if errors[-1] > target:
        return float("nan")
    return float(np.interp(-target, -errors, images))


def ratio_interval(
    images: Floats,
    right: NDArray[np.int64],
    used: Floats,
    clever: NDArray[np.int64],
    races: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """95 % interval of the ratio of images for 95 %, by redrawing the counts (parametric bootstrap).

    Args:
        images: uniform budgets, with ``right`` of ``races`` answers right at each.
        right: shape of ``images``.
        used: adaptive budgets, with ``clever`` of ``races`` right at each.
        clever: shape of ``used``.
        races: how many there were at each budget.
        rng: redraws.
    """
    ratios = []
    for _ in range(500):
        one = images_for(images, rng.binomial(races, right / races) / races)
        two = images_for(used, rng.binomial(races, clever / races) / races)
        ratios.append(two / one)
    if np.isnan(ratios).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(ratios, [0.025, 0.975])
    return float(low), float(high)


def _margin(world: World) -> float:
    """Two points of the true rate, as the detector sees them."""
    return 0.02 * (world.sensitivity + world.specificity - 1)


def _seen(world: World, rates: Floats) -> Floats:
    return np.asarray(rates * world.sensitivity + (1 - rates) * (1 - world.specificity))


def _shares(budgets: tuple[int, ...], right: NDArray[np.int64], races: int) -> dict[str, list[float]]:
    return {
        str(images): [
            round(float(number), 3) for number in (count / races, *proportion_confint(count, races, method="wilson"))
        ]
        for images, count in zip(budgets, right, strict=True)
    }


def _whole(value: float) -> int | None:
    return None if np.isnan(value) else round(value)


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 3)
