"""How often the pick is within two points of the best: by the lowest count, and by the smoothed posterior."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.rankings import wilson
from service.rankings.posterior import smoothed

Rates = NDArray[np.float64]

IMAGES = (16, 35, 100, 200)
TOLERANCE = 0.02
_SWEEP = np.linspace(0.0, 1.0, 38)

WORLDS: dict[str, Callable[[np.random.Generator], Rates]] = {
    "ten, in the order of training": lambda rng: np.linspace(0.20, 0.45, 10),
    "ten, in no order": lambda rng: rng.permutation(np.linspace(0.20, 0.45, 10)),
    "38, smooth": lambda rng: 0.12 + 0.6 * (_SWEEP - 0.6) ** 2,
    "38, breaking at the end": lambda rng: np.where(_SWEEP < 0.85, 0.05 + 0.4 * (0.85 - _SWEEP) ** 2, 0.25),
}
"""Failure rates of the checkpoints of a run, by epoch."""


def right_picks(seed: int, grids: int) -> dict[str, Any]:
    """Share of grids whose pick fails at most two points more often than the best checkpoint.

    ``count``: the lowest number of failures, the earlier epoch on a tie. ``posterior``: the least expected cost of
    :func:`service.rankings.posterior.smoothed`, which is what the recommendation goes by among checkpoints that cannot
    be told apart.
    """
    found: dict[str, Any] = {}
    for place, (name, draw) in enumerate(WORLDS.items()):
        for images in IMAGES:
            rng = np.random.default_rng([seed, 70, place, images])
            right = np.zeros(2, dtype=np.int64)
            for _ in range(grids):
                rates = draw(rng)
                right += rates[list(_picks(rng.binomial(images, rates), images))] <= rates.min() + TOLERANCE
            intervals = [wilson(int(count), grids) for count in right]
            found[f"{name}, {images} images"] = {
                "count": right[0] / grids,
                "count_interval": intervals[0],
                "posterior": right[1] / grids,
                "posterior_interval": intervals[1],
                "grids": grids,
            }
    return found


def _picks(fails: NDArray[np.int64], images: int) -> tuple[int, int]:
    epochs = list(range(0, 4 * len(fails), 4))
    shapes, _ = smoothed(np.stack([images - fails, fails], axis=1), ["run"] * len(fails), epochs)
    return int(np.argmin(fails)), int(np.argmin(shapes[:, 1] / shapes.sum(axis=1)))
