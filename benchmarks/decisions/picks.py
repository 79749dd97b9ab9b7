"""How often the pick is within two points of the best: by the lowest count, by the posterior, and as it was before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.decisions.power_prior import power_prior_costs
from benchmarks.decisions.worlds import World, good_run_rates, sweep_rates
from service.rankings import wilson
from service.rankings.posterior import expected_costs

Rates = NDArray[np.float64]

SEEDS = (1, 3, 8, 16)
SCENARIOS = 12
TOLERANCE = 0.02
_SWEEP = np.array(sweep_rates())
_TEN = np.linspace(0.20, 0.45, 10)


def _alike(rates: Rates, spread: float = 1.5) -> World:
    return World(tuple(np.clip(rates, 0.005, 0.95)), SCENARIOS, spread=spread, shared=0.4)


def _one_better(rng: np.random.Generator) -> Rates:
    return np.asarray(_SWEEP - 0.10 * (np.arange(len(_SWEEP)) == rng.integers(10, 28)))


WORLDS: dict[str, Callable[[np.random.Generator], World]] = {
    "ten, in the order of training": lambda rng: _alike(_TEN),
    "ten, in no order": lambda rng: _alike(rng.permutation(_TEN)),
    "ten, in no order, independent images": lambda rng: World(tuple(rng.permutation(_TEN)), SCENARIOS),
    "38, smooth": lambda rng: _alike(_SWEEP),
    "38, smooth, independent images": lambda rng: World(tuple(_SWEEP), SCENARIOS),
    "38, good, breaking at the end": lambda rng: _alike(np.array(good_run_rates()), spread=0.7),
    "38, jumping by 2 points": lambda rng: _alike(_SWEEP + rng.normal(0.0, 0.02, 38)),
    "38, jumping by 5 points": lambda rng: _alike(_SWEEP + rng.normal(0.0, 0.05, 38)),
    "38, one 10 points better than its neighbours": lambda rng: _alike(_one_better(rng)),
    "38, in no order": lambda rng: _alike(rng.permutation(np.linspace(0.2, 0.5, 38))),
}
"""Failure rates of the checkpoints of a run, by epoch; scenarios of different hardness (a Gaussian threshold with a
standard deviation of 1.5), and cells alike over checkpoints (0.4), unless images are independent."""


def right_picks(seed: int, grids: int) -> dict[str, Any]:
    """How good the pick is, and how far the estimated rates are off.

    ``count``: the lowest number of failures, the earlier epoch on a tie. ``before``: the smoothing that was given up
    (:mod:`benchmarks.decisions.power_prior`). ``posterior``: the least expected cost of
    :func:`service.rankings.posterior.posterior`, which is what the recommendation goes by among checkpoints that cannot
    be told apart.

    Returns:
        By world and images: for each way the share of picks within two points with its interval, how many points more
        often the pick fails than the best (``excess``), and the root mean squared error of all rates (``error``).
    """
    found: dict[str, Any] = {}
    for place, (name, make) in enumerate(WORLDS.items()):
        for seeds in SEEDS:
            rng = np.random.default_rng([seed, 71, place, seeds])
            results = [_one(make(rng), seeds, rng) for _ in range(grids)]
            found[f"{name}, {SCENARIOS * seeds} images"] = {
                "grids": grids,
                **{way: _summary([each[way] for each in results]) for way in results[0]},
            }
    return found


def _one(world: World, seeds: int, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    """By way: how much more often its pick fails than the best, and the mean squared error of its rates."""
    rates = np.array(world.rates)
    fails = world.cells(world.orders(1, rng), seeds, rng)[0].reshape(len(rates), -1).astype(float)
    runs, epochs = ["run"] * len(rates), list(range(0, 4 * len(rates), 4))
    ways = {
        "count": fails.mean(axis=1),
        "before": power_prior_costs(fails, runs, epochs),
        "posterior": expected_costs(fails, np.repeat(np.arange(world.scenarios), seeds), runs, epochs),
    }
    return {
        way: (float(rates[int(found.argmin())] - rates.min()), float(np.square(found - rates).mean()))
        for way, found in ways.items()
    }


def _summary(results: list[tuple[float, float]]) -> dict[str, Any]:
    excess, error = np.array(results).T
    right = int((excess <= TOLERANCE + 1e-9).sum())
    return {
        "right": right / len(results),
        "interval": wilson(right, len(results)),
        "excess": float(excess.mean()),
        "excess_error": float(excess.std() / np.sqrt(len(results))),
        "error": float(np.sqrt(error.mean())),
    }
