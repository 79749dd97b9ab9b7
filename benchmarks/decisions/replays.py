"""Races and uniform grids replayed on a grid of real findings, in many random orders of its seeds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.decisions.images import images_for, ratio_interval
from service.rankings import CONTROL, OutcomeTable, wilson
from service.rankings.allocation import DEEPEST, Ending, Races, Rules
from service.rankings.outcomes import MEASURED_GRADES, Grade
from service.rankings.posterior import expected_costs

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WITHIN = 0.02
"""A pick is right whose failure rate on the whole grid is so close to the lowest one."""
CHUNK = 100


@dataclass(frozen=True)
class Grid:
    """Judged images of a whole grid.

    Attributes:
        names: run and epoch of each checkpoint.
        fails: 1 fails, 0 does not, nan not measured; shape (checkpoints, scenarios, seeds).
    """

    names: tuple[tuple[str, int], ...]
    fails: Floats

    @classmethod
    def of(cls, table: OutcomeTable, runs: tuple[str, ...]) -> Grid:
        """The grid of some runs of a table; seeds and scenarios have to be the same for all of them."""
        table = table.keep(np.array([run in runs and run != CONTROL for run, _ in table.checkpoints])[table.checkpoint])
        grades = table.image_grades()
        values = np.where(np.isin(grades, MEASURED_GRADES), (grades >= Grade.CLEAR).astype(float), np.nan)
        codes, places = np.unique(table.checkpoint, return_inverse=True)
        seeds, slots = np.unique(table.seed, return_inverse=True)
        fails = np.full((len(codes), len(table.scenarios), len(seeds)), np.nan)
        fails[places, table.scenario, slots] = values
        return cls(tuple((run, epoch or 0) for run, epoch in (table.checkpoints[code] for code in codes)), fails)

    @cached_property
    def rates(self) -> Floats:
        """Failure rate of each checkpoint on the whole grid."""
        return np.asarray(np.nanmean(self.fails, axis=(1, 2)))

    @property
    def block(self) -> int:
        """Images of one seed of every scenario for every checkpoint."""
        return int(self.fails.shape[0] * self.fails.shape[1])

    def is_right(self, picks: Any) -> NDArray[np.bool_]:
        """Whether each pick is within :data:`WITHIN` of the lowest rate."""
        return np.asarray(self.rates[picks] <= self.rates.min() + WITHIN + 1e-9)


def measure_budget(grid: Grid, budgets: tuple[float, ...], races: int, again: bool, rng: np.random.Generator) -> Any:
    """Right picks by images: the uniform grid (lowest count, and smoothed over epochs) against the adaptive budget.

    Of the adaptive side also how often it ends at the very checkpoint with the lowest rate (``same``).

    Args:
        grid: the findings.
        budgets: of the adaptive side, in blocks.
        races: random orders of seeds.
        again: draw seeds with replacement, so that the grid's seeds stand for all others; else each comes once.
        rng: drives the orders.
    """
    sizes = [k for k in (1, 2, 3, 4, 6, 8, 12, 16) if k <= grid.fails.shape[2]]
    count, smooth = (np.zeros(len(sizes), np.int64) for _ in range(2))
    for _ in range(races):
        one, two = _uniform(grid, sizes, again, rng)
        count += one
        smooth += two
    raced = [_adaptive(grid, Rules(round(blocks * grid.block)), races, again, rng) for blocks in budgets]
    images = np.array([k * grid.block for k in sizes], float)
    used = np.array([each["used"] for each in raced])
    right = np.array([each["right"] for each in raced])
    found: dict[str, Any] = {"orders": races, "whole_grid": grid.block * grid.fails.shape[2]}
    for name, plain in (("lowest count", count), ("smoothed", smooth)):
        found[f"uniform, {name}"] = {
            "images_to_95": _number(images_for(images, plain / races)),
            "right": _shares(images, plain, races),
            "ratio": _number(images_for(used, right / races) / images_for(images, plain / races), 3),
            "ratio_interval": [_number(end, 3) for end in ratio_interval(images, plain, used, right, races, rng)],
        }
    found["adaptive"] = {
        "images_to_95": _number(images_for(used, right / races)),
        "right": _shares(used, right, races),
        "same": _shares(used, np.array([each["same"] for each in raced]), races),
        "endings": [each["endings"] for each in raced],
        "best_dropped": [_share(each["best_dropped"], races) for each in raced],
    }
    return found


def _uniform(
    grid: Grid, sizes: list[int], again: bool, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether the pick is right at each number of seeds, by the lowest rate and by the smoothed one."""
    seeds = grid.fails.shape[2]
    order: Ints = np.asarray(rng.integers(seeds, size=seeds) if again else rng.permutation(seeds))
    plain, smooth = [], []
    runs, epochs = [run for run, _ in grid.names], [epoch for _, epoch in grid.names]
    for k in sizes:
        seen = grid.fails[:, :, order[:k]]
        fails, counts = np.nansum(seen, axis=(1, 2)), (~np.isnan(seen)).sum(axis=(1, 2))
        plain.append(int((fails / counts + 1e-6 * rng.random(len(fails))).argmin()))
        cells = seen.reshape(len(seen), -1)
        smooth.append(int(expected_costs(cells, np.repeat(np.arange(seen.shape[1]), k), runs, epochs).argmin()))
    return grid.is_right(plain), grid.is_right(smooth)


def _adaptive(grid: Grid, rules: Rules, races: int, again: bool, rng: np.random.Generator) -> dict[str, Any]:
    """Races by the product's own rules. Where a scenario's seeds are used up they come again, and tell nothing new."""
    names = sorted({run for run, _ in grid.names})
    runs = np.array([names.index(run) for run, _ in grid.names])
    places = np.array([epoch / 4 for _, epoch in grid.names])
    right = same = dropped = 0
    used: list[float] = []
    endings = dict.fromkeys((ending.name.lower() for ending in Ending if ending is not Ending.OPEN), 0)
    for size in [CHUNK] * (races // CHUNK) + [races % CHUNK] * (races % CHUNK > 0):
        state = Races(runs, places, grid.fails.shape[1], rules, size)
        _race(state, grid, again, rng)
        picks = state.pick()
        right += int(grid.is_right(picks).sum())
        same += int((picks == grid.rates.argmin()).sum())
        dropped += int(state.worse[:, grid.rates.argmin()].sum())
        used += state.used.tolist()
        for ending in Ending:
            if ending is not Ending.OPEN:
                endings[ending.name.lower()] += int((state.ending == ending).sum())
    return {
        "right": right,
        "same": same,
        "used": float(np.mean(used)),
        "best_dropped": dropped,
        "endings": {name: number / races for name, number in endings.items() if number},
    }


def _race(state: Races, grid: Grid, again: bool, rng: np.random.Generator) -> None:
    scenarios, seeds = grid.fails.shape[1:]
    orders = rng.random((state.races, scenarios, seeds)).argsort(axis=-1)
    drawn = np.zeros((state.races, scenarios), np.int64)
    rows = np.arange(scenarios)[None, :, None]
    while ((step := state.plan()).blocks > 0).any():
        for block in range(int(step.blocks.max())):
            on = step.blocks > block
            at = (drawn[:, :, None] + np.arange(DEEPEST)) % seeds
            slots = rng.integers(seeds, size=at.shape) if again else np.take_along_axis(orders, at, axis=-1)
            state.record(step, grid.fails[:, rows, slots].transpose(1, 0, 2, 3), on)
            drawn += np.where(on[:, None], step.depth, 0)
        state.review(rng)


def _shares(images: Floats, right: Ints, races: int) -> dict[str, list[float]]:
    return {str(round(size)): _share(int(count), races) for size, count in zip(images, right, strict=True)}


def _share(count: int, total: int) -> list[float]:
    low, high = wilson(count, total) or (0.0, 1.0)
    return [round(count / total, 3), round(low, 3), round(high, 3)]


def _number(value: float, digits: int = 0) -> float | None:
    return None if np.isnan(value) else round(float(value), digits)
