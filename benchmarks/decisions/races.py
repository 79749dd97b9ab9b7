"""Simulated races: uniform grids and the adaptive budget at equal cost, and the sequential stop by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.decisions.worlds import World
from service.rankings.allocation import DEEPEST, Ending, Phase, Races, Rules

Floats = NDArray[np.float64]

CHUNK = 250
"""Races that are simulated side by side: more would only take memory."""


def uniform(world: World, blocks: list[int], races: int, rng: np.random.Generator) -> list[int]:
    """How many of ``races`` uniform grids name a right checkpoint by the lowest count, at each number of blocks.

    Ties are broken by lot. A block is one seed of every scenario for every checkpoint.
    """
    right = np.zeros(len(blocks), np.int64)
    for size in _chunks(races):
        orders = world.orders(size, rng)
        fails = np.zeros(orders.shape)
        done = 0
        for place, wanted in enumerate(blocks):
            while done < wanted:
                step = min(4, wanted - done)
                fails += world.cells(orders, step, rng).sum((2, 3))
                done += step
            picks = (fails + 0.5 * rng.random(fails.shape)).argmin(1)
            right[place] += world.is_right(picks, orders).sum()
    return [int(count) for count in right]


@dataclass(frozen=True)
class Raced:
    """What became of simulated races, an entry each.

    Attributes:
        right: whether the pick is within 2 points of the best.
        best_dropped: whether the truly best (or all of several equal ones) were dropped as worse.
        ending: :class:`~service.rankings.allocation.Ending`.
        used: images.
        picked: the picks' true rate.
        confirmed: the picks' rate on the fresh seeds of the last round, nan without.
        first_dropped: whether the checkpoint at place 0 of the true order was dropped as worse.
    """

    right: NDArray[np.bool_]
    best_dropped: NDArray[np.bool_]
    ending: NDArray[np.int64]
    used: NDArray[np.int64]
    picked: Floats
    confirmed: Floats
    first_dropped: NDArray[np.bool_]

    def share(self, ending: Ending) -> float:
        """Part of the races that ended so."""
        return float((self.ending == ending).mean())


def adaptive(
    world: World, rules: Rules, races: int, rng: np.random.Generator, most_blocks: int = 10_000, smooth: bool = True
) -> Raced:
    """Run races by the product's own rules.

    Args:
        world: the checkpoints.
        rules: budget and promises.
        races: how many.
        rng: drives everything.
        most_blocks: a race that has seen so many blocks is left as it is.
        smooth: whether neighbouring epochs may tell about each other.
    """
    parts: list[tuple[Any, ...]] = []
    k = len(world.rates)
    for size in _chunks(races):
        orders = world.orders(size, rng)
        runs = np.zeros(k, np.int64) if smooth else np.arange(k)
        state = Races(runs, np.arange(k, dtype=float), world.scenarios, rules, size)
        while _advance(state, world, orders, rng, most_blocks):
            pass
        rates = np.array(world.rates)
        truth = rates[orders]
        picks = state.pick()
        best = truth <= rates.min() + 1e-9
        fresh = state.confirmed[np.arange(size), picks]
        with np.errstate(invalid="ignore", divide="ignore"):
            confirmed = fresh[:, 0] / fresh[:, 1]
        first = np.take_along_axis(state.worse, orders.argmin(1)[:, None], 1)[:, 0]
        parts.append(
            (
                world.is_right(picks, orders),
                (state.worse | ~best).all(1),
                state.ending.copy(),
                state.used.copy(),
                truth[np.arange(size), picks],
                confirmed,
                first,
            )
        )
    return Raced(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _advance(state: Races, world: World, orders: NDArray[np.int64], rng: np.random.Generator, most_blocks: int) -> bool:
    """One round of every race; False when all are over."""
    step = state.plan()
    if not (step.blocks > 0).any():
        return False
    for block in range(int(step.blocks.max())):
        deep = int(step.depth.max())
        outcomes = np.full((*orders.shape, world.scenarios, DEEPEST), np.nan)
        outcomes[..., :deep] = world.cells(orders, deep, rng)
        state.record(step, outcomes, step.blocks > block)
    state.review(rng)
    state.phase = np.where(state.seen >= most_blocks, int(Phase.OVER), state.phase)
    return True


def _chunks(races: int) -> list[int]:
    return [CHUNK] * (races // CHUNK) + ([races % CHUNK] if races % CHUNK else [])
