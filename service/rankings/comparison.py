"""Checkpoints against each other: what can be told apart, and what cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.rankings.intervals import LEVEL, Interval, as_list
from service.rankings.leaderboard import LeaderboardEntry
from service.rankings.paired import difference_ends
from service.rankings.selection import correct_for_selection

ALPHA = 1 - LEVEL


@dataclass(frozen=True)
class PairedComparison:
    """One checkpoint against the leader, on the images of the same scenario and seed that both were measured on.

    Attributes:
        other: the checkpoint compared with the leader.
        pairs: (scenario, seed) cells measured on both.
        leader_only: cells where only the leader fails.
        other_only: cells where only the other fails.
        p: exact two-sided McNemar p-value.
        p_adjusted: the same, corrected for the number of checkpoints and for the leader being picked on these images
            (:func:`service.rankings.selection.correct_for_selection`).
        threshold: the value of ``p`` that would be just enough to be called worse, at this place among the rivals.
    """

    other: LeaderboardEntry
    pairs: int
    leader_only: int
    other_only: int
    p: float
    p_adjusted: float
    threshold: float = ALPHA

    @property
    def separable(self) -> bool:
        """Whether it is worse than the leader by more than chance explains (5 % that any of the best is called so)."""
        return self.p_adjusted <= ALPHA and self.other_only > self.leader_only

    @property
    def difference(self) -> float | None:
        """The other's failure rate less the leader's on these pairs, -1..1; ``None`` without one."""
        return (self.other_only - self.leader_only) / self.pairs if self.pairs else None

    @property
    def interval(self) -> Interval | None:
        """95 % interval of :attr:`difference` (Bonett and Price)."""
        if not self.pairs:
            return None
        low, high = difference_ends(self.leader_only, self.other_only, self.pairs)
        return float(low), float(high)

    def to_json(self) -> dict[str, Any]:
        """The comparison as plain JSON values."""
        return {
            "run": self.other.run,
            "epoch": self.other.epoch,
            "pairs": self.pairs,
            "leader_only_fails": self.leader_only,
            "other_only_fails": self.other_only,
            "difference": self.difference,
            "interval": as_list(self.interval),
            "p": self.p,
            "p_adjusted": self.p_adjusted,
            "separable": self.separable,
        }


def mcnemar_exact(first_only: int, second_only: int) -> float:
    """Exact two-sided McNemar p-value: cells where both fail or both pass say nothing about which is better.

    Under "no difference" each discordant cell is a coin toss, so it is a binomial test of one half (McNemar 1947).

    >>> mcnemar_exact(0, 6)
    0.03125
    """
    from scipy.special import bdtr  # slow to import, so only where it is needed

    discordant = first_only + second_only
    return min(1.0, 2 * float(bdtr(min(first_only, second_only), discordant, 0.5))) if discordant else 1.0


def holm(values: Sequence[float]) -> list[float]:
    """P-values corrected for their number so that the chance of any false alarm is kept (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(values, kind="stable")
    stepped = np.asarray(values, dtype=float)[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(stepped)) if len(values) else stepped
    return [float(value) for value in adjusted]


def compare_with_leader(leader: LeaderboardEntry, others: Sequence[LeaderboardEntry]) -> list[PairedComparison]:
    """Compare every other checkpoint with the leader, paired, and corrected for their number and the leader's luck.

    The leader did best on these very images. The correction allows for that, so that with equally good checkpoints
    none of them is called worse in 95 % of grids.
    """
    if not others:
        return []
    counts = [_discordant(leader, other) for other in others]
    values = [mcnemar_exact(leader_only, other_only) for _, leader_only, other_only in counts]
    worse = [
        p if other_only > leader_only else 1.0 for p, (_, leader_only, other_only) in zip(values, counts, strict=True)
    ]
    # Always the same draws: the same images give the same answer.
    found = correct_for_selection(np.array(worse), _fails([leader, *others]), ALPHA, np.random.default_rng(0))
    return [
        PairedComparison(other, *count, p=p, p_adjusted=float(adjusted), threshold=float(threshold))
        for other, count, p, adjusted, threshold in zip(
            others, counts, values, found.adjusted, found.threshold, strict=True
        )
    ]


def failures_needed(comparisons: float) -> int:
    """Fewest one-sided discordant images that can set a checkpoint apart, where 5 % is shared by that many comparisons.

    Among n images that all turn the same way, p = 2 · 0.5^n.

    >>> failures_needed(1), failures_needed(7)
    (6, 9)
    """
    needed = 1
    while 2 * 0.5**needed > ALPHA / max(1.0, comparisons):
        needed += 1
    return needed


def comparisons_shared(comparisons: Sequence[PairedComparison]) -> float:
    """How many independent comparisons the 5 % would be shared by, for the next checkpoint to be told apart."""
    return ALPHA / min((item.threshold for item in comparisons if not item.separable), default=ALPHA)


def _fails(entries: Sequence[LeaderboardEntry]) -> NDArray[np.float64]:
    """1 fails, 0 does not, nan not measured; shape (cells, entries)."""
    measured = [entry.cells.measured() for entry in entries]
    codes = np.unique(np.concatenate([own for own, _ in measured]))
    table = np.full((len(codes), len(entries)), np.nan)
    for place, (own, fails) in enumerate(measured):
        table[np.searchsorted(codes, own), place] = fails
    return table


def _discordant(leader: LeaderboardEntry, other: LeaderboardEntry) -> tuple[int, int, int]:
    """Pairs measured on both, and how often only the leader or only the other fails."""
    one, two = leader.cells.measured(), other.cells.measured()
    _, mine, theirs = np.intersect1d(one[0], two[0], assume_unique=True, return_indices=True)
    first, second = one[1][mine], two[1][theirs]
    return len(mine), int((first & ~second).sum()), int((second & ~first).sum())
