"""Simulated checkpoints with known failure rates, whose pictures are alike where they share their noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TEN = (0.20, 0.25, 0.25, 0.28, 0.31, 0.34, 0.37, 0.40, 0.43, 0.45)
"""The best of ten at 20 %, 5 points before the next. Independent counts pick it 45 / 65 / 80 / 92 / 98 % of the time at
35 / 100 / 200 / 400 / 800 images each."""


@dataclass(frozen=True)
class World:
    """Checkpoints × scenarios, and how their failures hang together.

    A cell fails where a Gaussian lies below a threshold (a probit model). The threshold is the checkpoint's plus the
    scenario's; the checkpoint's is set so that its mean rate over the scenarios is exactly ``rates``. The Gaussians of
    two checkpoints on the same (scenario, seed) correlate, since they start from the same noise and prompt.

    Attributes:
        rates: true failure rate of each checkpoint, mean over the scenarios.
        scenarios: how many.
        spread: standard deviation of the scenarios' thresholds; 0 makes all equally hard.
        shared: correlation of any two checkpoints on the same cell, before the threshold.
        neighbours: further correlation of neighbouring epochs on the same cell; falls by e in four checkpoints.
        by_seed: part of the variance that is the seed's own, the same in all scenarios of a checkpoint.
        shuffled: whether each simulated race has the checkpoints in an order of its own, so that neighbours tell
            nothing.
        sensitivity: probability that the detector sees a failure.
        specificity: probability that it passes a good picture.
    """

    rates: tuple[float, ...]
    scenarios: int = 12
    spread: float = 0.0
    shared: float = 0.0
    neighbours: float = 0.0
    by_seed: float = 0.0
    shuffled: bool = False
    sensitivity: float = 1.0
    specificity: float = 1.0

    @cached_property
    def thresholds(self) -> Floats:
        """Shape (checkpoints, scenarios)."""
        hardness = self.spread * norm.ppf((np.arange(self.scenarios) + 0.5) / self.scenarios)
        wanted = np.array(self.rates)
        low = norm.ppf(wanted) - 6.0
        high = low + 12.0
        for _ in range(60):  # bisection
            middle = (low + high) / 2
            too_low = norm.cdf(middle[:, None] + hardness).mean(1) < wanted
            low, high = np.where(too_low, middle, low), np.where(too_low, high, middle)
        return np.asarray(((low + high) / 2)[:, None] + hardness)

    @cached_property
    def _mixing(self) -> NDArray[np.float32]:
        index = np.arange(len(self.rates))
        alike = self.shared + self.neighbours * np.exp(-np.abs(index[:, None] - index) / 4.0)
        np.fill_diagonal(alike, 1.0)
        return np.linalg.cholesky(alike).astype(np.float32)

    @property
    def observed(self) -> Floats:
        """Failure rates as the detector sees them."""
        rates = np.array(self.rates)
        return rates * self.sensitivity + (1 - rates) * (1 - self.specificity)

    def orders(self, races: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Which true checkpoint stands at each place, shape (races, checkpoints)."""
        if self.shuffled:
            return rng.random((races, len(self.rates))).argsort(1)
        return np.tile(np.arange(len(self.rates)), (races, 1))

    def is_right(self, picks: NDArray[np.int64], orders: NDArray[np.int64], within: float = 0.02) -> Bools:
        """Whether each race's pick is within so much of the best, shape (races,)."""
        rates = np.array(self.rates)
        return np.asarray(rates[orders[np.arange(len(picks)), picks]] <= rates.min() + within + 1e-9)

    def cells(self, orders: NDArray[np.int64], seeds: int, rng: np.random.Generator) -> Bools:
        """Outcomes of fresh seeds: True fails; shape (races, checkpoints, scenarios, seeds)."""
        races, k = orders.shape
        own = rng.standard_normal((races, k, self.scenarios, seeds), dtype=np.float32)
        if self.by_seed:
            common = rng.standard_normal((races, k, 1, seeds), dtype=np.float32)
            own = np.float32(np.sqrt(self.by_seed)) * common + np.float32(np.sqrt(1 - self.by_seed)) * own
        mixed = own if self._is_plain else self._mix(own)
        fails = mixed < self.thresholds.astype(np.float32)[None, :, :, None]
        if self.sensitivity < 1 or self.specificity < 1:
            luck = rng.random(fails.shape, dtype=np.float32)
            fails = np.where(fails, luck < self.sensitivity, luck >= self.specificity)
        if self.shuffled:
            fails = np.take_along_axis(fails, orders[:, :, None, None], axis=1)
        return fails

    @property
    def _is_plain(self) -> bool:
        return not self.shared and not self.neighbours

    def _mix(self, own: NDArray[np.float32]) -> NDArray[np.float32]:
        races, k = own.shape[:2]
        return np.asarray(self._mixing @ own.reshape(races, k, -1)).reshape(own.shape)


def sweep_rates() -> tuple[float, ...]:
    """38 checkpoints of one run: failures fall while the characters set, and rise when the hands break.

    0.12 + 0.38 · (1 - t)³ + 0.30 · ((t - 0.72)/0.28)₊^1.5 for t from 0 to 1: 50 % at first,
    13 % at the best, 42 % at last.
    """
    time = np.arange(38) / 37
    return tuple(0.12 + 0.38 * (1 - time) ** 3 + 0.30 * np.clip((time - 0.72) / 0.28, 0, 1) ** 1.5)


def good_run_rates() -> tuple[float, ...]:
    """38 checkpoints of a good run: 3 % falling to under 1 %, until hands break from the 35th: 3, 8, 14, 20 %."""
    time = np.arange(34) / 33
    return (*(0.005 + 0.025 * (1 - time) ** 2), 0.03, 0.08, 0.14, 0.20)
