"""Checkpoints and runs against each other: what can be told apart, and what cannot."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.rankings.intervals import LEVEL, Interval, Tally, as_list, wilson
from service.rankings.leaderboard import LeaderboardEntry
from service.rankings.outcomes import MEASURED, CellOutcome, State, judge

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
        p_adjusted: the same after Holm's correction over all comparisons with this leader.
    """

    other: LeaderboardEntry
    pairs: int
    leader_only: int
    other_only: int
    p: float
    p_adjusted: float

    @property
    def separable(self) -> bool:
        """Whether the other one is worse than the leader by more than chance explains (5 % over all comparisons)."""
        return self.p_adjusted <= ALPHA and self.other_only > self.leader_only

    def to_json(self) -> dict[str, Any]:
        """The comparison as plain JSON values."""
        return {
            "run": self.other.run,
            "epoch": self.other.epoch,
            "pairs": self.pairs,
            "leader_only_fails": self.leader_only,
            "other_only_fails": self.other_only,
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
    """Compare every other checkpoint with the leader, paired and corrected for their number (Holm 1979).

    The leader was picked because it did best on these very images, so p-values flatter it a little: confirm a close
    call on fresh seeds.
    """
    if not others:
        return []
    counts = [_discordant(leader, other) for other in others]
    values = [mcnemar_exact(leader_only, other_only) for _, leader_only, other_only in counts]
    adjusted = holm(values)
    return [
        PairedComparison(other, *count, p=p, p_adjusted=q)
        for other, count, p, q in zip(others, counts, values, adjusted, strict=True)
    ]


def failures_needed(comparisons: int) -> int:
    """Fewest one-sided discordant images that can set a checkpoint apart, among that many comparisons.

    Holm's first step asks for p <= 5 % / comparisons, and n one-sided images give p = 2 · 0.5^n.

    >>> failures_needed(1), failures_needed(7)
    (6, 9)
    """
    needed = 1
    while 2 * 0.5**needed > ALPHA / max(1, comparisons):
        needed += 1
    return needed


@dataclass(frozen=True)
class RateDifference:
    """How much more often the second run fails than the first.

    Attributes:
        check: the check, ``None`` for whole images.
        first: the first run's counts.
        second: the second run's counts.
        difference: second rate minus first rate, -1..1; ``None`` if either was not measured.
        interval: 95 % interval of the difference (Newcombe), taking all images as independent.
        cluster_interval: 95 % bootstrap interval over (scenario, seed) clusters: the honest one when several epochs of
            a run are pooled, since they share their noise. ``None`` without a generator or where nothing varies.
    """

    check: str | None
    first: Tally
    second: Tally
    difference: float | None
    interval: Interval | None
    cluster_interval: Interval | None = None

    def to_json(self) -> dict[str, Any]:
        """The difference as plain JSON values."""
        return {
            "check": self.check,
            "first": self.first.to_json(),
            "second": self.second.to_json(),
            "difference": self.difference,
            "interval": as_list(self.interval),
            "cluster_interval": as_list(self.cluster_interval),
        }


def compare_runs(
    outcomes: Iterable[CellOutcome],
    first: str,
    second: str,
    *,
    check: str | None = None,
    character: str | None = None,
    scenarios: Collection[str] | None = None,
    epochs: Collection[int | None] | None = None,
    rng: np.random.Generator | None = None,
) -> RateDifference:
    """Compare two runs' failure rates, on one check and character or on whole images.

    Args:
        outcomes: images; other runs' are ignored.
        first: name of the first run.
        second: name of the second run.
        check: look at this check only.
        character: look at findings about this character only.
        scenarios: keep these scenarios only.
        epochs: keep these epochs only.
        rng: asks for the bootstrap interval, and drives it.
    """
    sides: dict[str, list[tuple[tuple[str, int], State]]] = {first: [], second: []}
    judgements: dict[str, list[Any]] = {first: [], second: []}
    for outcome in outcomes:
        wanted = (scenarios is None or outcome.scenario in scenarios) and (epochs is None or outcome.epoch in epochs)
        if outcome.run in sides and wanted and _asked(outcome, check, character):
            judgement = judge(outcome, check, character)
            judgements[outcome.run].append(judgement)
            sides[outcome.run].append(((outcome.scenario, outcome.seed), judgement.state))
    one, two = Tally.of(judgements[first]), Tally.of(judgements[second])
    return RateDifference(
        check=check,
        first=one,
        second=two,
        difference=None if one.rate is None or two.rate is None else two.rate - one.rate,
        interval=_newcombe(one, two),
        cluster_interval=_cluster_bootstrap(sides[first], sides[second], rng) if rng is not None else None,
    )


def _asked(outcome: CellOutcome, check: str | None, character: str | None) -> bool:
    if check is None and character is None:
        return True
    found = any(check in (None, row.check) and character in (None, row.character) for row in outcome.findings)
    return found or (character is None and check in outcome.expected)


def _discordant(leader: LeaderboardEntry, other: LeaderboardEntry) -> tuple[int, int, int]:
    """Pairs measured on both, and how often only the leader or only the other fails."""
    one, two = leader.cells.measured(), other.cells.measured()
    _, mine, theirs = np.intersect1d(one[0], two[0], assume_unique=True, return_indices=True)
    first, second = one[1][mine], two[1][theirs]
    return len(mine), int((first & ~second).sum()), int((second & ~first).sum())


def _newcombe(first: Tally, second: Tally) -> Interval | None:
    """Newcombe's hybrid score interval (1998, method 10): Wilson's merits for a difference."""
    if not first.measured or not second.measured:
        return None
    rates = [side.fails / side.measured for side in (first, second)]
    (low_1, high_1), (low_2, high_2) = (wilson(side.fails, side.measured) or (0.0, 1.0) for side in (first, second))
    difference = rates[1] - rates[0]
    return (
        difference - math.hypot(rates[1] - low_2, high_1 - rates[0]),
        difference + math.hypot(high_2 - rates[1], rates[0] - low_1),
    )


def _cluster_bootstrap(
    first: list[tuple[tuple[str, int], State]],
    second: list[tuple[tuple[str, int], State]],
    rng: np.random.Generator,
    resamples: int = 4000,
) -> Interval | None:
    """Percentile interval of the difference, redrawing whole (scenario, seed) clusters.

    ``None`` below two clusters, or if neither run ever fails or both always do: then there is nothing to redraw.
    """
    counts: dict[tuple[str, int], NDArray[np.int64]] = defaultdict(lambda: np.zeros(4, dtype=np.int64))
    for offset, side in ((0, first), (2, second)):
        for cell, state in side:
            if state in MEASURED:
                counts[cell] += np.eye(4, dtype=np.int64)[offset + 1]
                counts[cell][offset] += state is State.FAILS
    table = np.array([counts[cell] for cell in sorted(counts)]).reshape(-1, 4)  # fails, measured; of first, second
    k = len(table)
    drawn = rng.multinomial(k, np.full(k, 1 / k), size=resamples) @ table if k > 1 else np.zeros((0, 4))
    drawn = drawn[(drawn[:, 1] > 0) & (drawn[:, 3] > 0)]
    differences = drawn[:, 2] / drawn[:, 3] - drawn[:, 0] / drawn[:, 1]
    if not len(differences) or np.ptp(differences) == 0:
        return None
    low, high = np.quantile(differences, [ALPHA / 2, 1 - ALPHA / 2])
    return float(low), float(high)
