"""Counts, rates and their intervals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from service.rankings.outcomes import Grade, Judgement, State

LEVEL = 0.95
Interval = tuple[float, float]


Z = 1.959963984540054
"""Standard normal quantile of 0.975, for intervals at :data:`LEVEL`."""


@lru_cache(maxsize=65536)  # a leaderboard asks for the same few thousand pairs again and again
def wilson(failures: int, total: int) -> Interval | None:
    """Wilson's 95 % score interval of a failure rate, each end 0..1; ``None`` if nothing was measured.

    Wilson (1927), because grids are small and good checkpoints fail rarely: near 0 of n the textbook (Wald) interval
    shrinks to a point and promises certainty, the exact (Clopper-Pearson) one is wider than it says, and Wilson keeps
    close to its level at every n. It takes images as independent; seeds within one prompt resemble each other, so
    the truth is a little wider.

    >>> tuple(round(end, 3) for end in wilson(0, 8))
    (0.0, 0.324)
    """
    if total == 0:
        return None
    centre, half = _wilson(failures / total, total, Z)
    # The formula's own rounding can leave 1e-17 where the end is exact.
    return (0.0 if failures == 0 else centre - half, 1.0 if failures == total else centre + half)


def _wilson(rate: float, total: float, z: float) -> tuple[float, float]:
    shrink = 1 + z * z / total
    return (
        (rate + z * z / (2 * total)) / shrink,
        z / shrink * math.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total)),
    )


@dataclass(frozen=True)
class Tally:
    """How many images failed, were minor, held or could not be measured. Invalid images are not in it."""

    fails: int = 0
    minor: int = 0
    holds: int = 0
    not_measurable: int = 0

    @classmethod
    def of(cls, judgements: Iterable[Judgement]) -> Tally:
        """Count judgements; invalid ones are left out."""
        counts = Counter(judgement.state for judgement in judgements)
        return cls(counts[State.FAILS], counts[State.MINOR], counts[State.HOLDS], counts[State.NOT_MEASURABLE])

    @classmethod
    def of_grades(cls, counts: Sequence[int]) -> Tally:
        """The tally of how many images have each :class:`~service.rankings.outcomes.Grade`."""
        fails = counts[Grade.CLEAR] + counts[Grade.FUSED] + counts[Grade.LOST]
        return cls(fails, counts[Grade.MINOR], counts[Grade.HOLDS], counts[Grade.NOT_MEASURABLE])

    @property
    def measured(self) -> int:
        """Images in the failure rate."""
        return self.fails + self.minor + self.holds

    @property
    def rate(self) -> float | None:
        """fails / (fails + minor + holds), 0..1; ``None`` if nothing was measured."""
        return self.fails / self.measured if self.measured else None

    @property
    def interval(self) -> Interval | None:
        """95 % Wilson interval of :attr:`rate`."""
        return wilson(self.fails, self.measured)

    @property
    def bounds(self) -> Interval | None:
        """The rate if everything not measurable held, and if all of it failed. No sampling error in these."""
        total = self.measured + self.not_measurable
        return (self.fails / total, (self.fails + self.not_measurable) / total) if total else None

    def to_json(self) -> dict[str, Any]:
        """Counts, rate and interval as plain JSON values."""
        return {
            "fails": self.fails,
            "minor": self.minor,
            "holds": self.holds,
            "not_measurable": self.not_measurable,
            "rate": self.rate,
            "interval": as_list(self.interval),
            "bounds": as_list(self.bounds),
        }


def as_list(interval: Interval | None) -> list[float] | None:
    """An interval as JSON has it."""
    return list(interval) if interval is not None else None
