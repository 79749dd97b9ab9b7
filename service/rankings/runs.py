"""Two runs against each other: same suite, same seeds."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.rankings.intervals import LEVEL, Interval, Tally, Z, as_list, wilson
from service.rankings.leaderboard import as_table
from service.rankings.outcomes import MEASURED_GRADES, CellOutcome, Grade
from service.rankings.paired import difference_ends
from service.rankings.table_of_outcomes import OutcomeTable

Bools = NDArray[np.bool_]
ALPHA = 1 - LEVEL
MANY_CLUSTERS = 200


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
        pairs: images of the same scenario, seed and epoch that both were measured on; the next two rest on these.
        paired_difference: the same difference on these pairs alone.
        paired_interval: its 95 % interval (Bonett and Price), with all epochs of one scenario and seed counted as one
            pair, which is cautious; ``None`` without a pair.
        first_only: pairs on which only the first fails.
        second_only: pairs on which only the second fails.
    """

    check: str | None
    first: Tally
    second: Tally
    difference: float | None
    interval: Interval | None
    cluster_interval: Interval | None = None
    pairs: int = 0
    paired_difference: float | None = None
    paired_interval: Interval | None = None
    first_only: int = 0
    second_only: int = 0

    def to_json(self) -> dict[str, Any]:
        """The difference as plain JSON values."""
        return {
            "check": self.check,
            "first": self.first.to_json(),
            "second": self.second.to_json(),
            "difference": self.difference,
            "interval": as_list(self.interval),
            "cluster_interval": as_list(self.cluster_interval),
            "pairs": self.pairs,
            "paired_difference": self.paired_difference,
            "paired_interval": as_list(self.paired_interval),
            "first_only": self.first_only,
            "second_only": self.second_only,
        }


@dataclass(frozen=True)
class Flip:
    """An image that holds (or is minor) in one run and fails in the other; grades as in ``Grade``."""

    scenario: str
    seed: int
    epoch: int | None
    first: Grade
    second: Grade


def compare_runs(
    outcomes: Iterable[CellOutcome] | OutcomeTable,
    first: str,
    second: str,
    *,
    check: str | None = None,
    character: str | None = None,
    scenarios: Collection[str] | None = None,
    epochs: Collection[int | None] | None = None,
    rng: np.random.Generator | None = None,
) -> RateDifference:
    """Compare two runs' failure rates, on one check and character or on whole images. Pinned seeds are left out.

    Args:
        outcomes: images, or the table of them; other runs' are ignored.
        first: name of the first run.
        second: name of the second run.
        check: look at this check only.
        character: look at findings about this character only.
        scenarios: keep these scenarios only.
        epochs: keep these epochs only.
        rng: asks for the bootstrap interval, and drives it.
    """
    table = as_table(outcomes).rated
    grades = _grades(table, check, character)
    wanted = grades != Grade.NOT_ASKED
    if scenarios is not None:
        wanted &= np.array([name in scenarios for name in table.scenarios], dtype=bool)[table.scenario]
    if epochs is not None:
        wanted &= np.array([epoch in epochs for _, epoch in table.checkpoints], dtype=bool)[table.checkpoint]
    sides = [wanted & _of_run(table, run) for run in (first, second)]
    one, two = (Tally.of_grades(np.bincount(grades[side], minlength=len(Grade)).tolist()) for side in sides)
    measured = [side & np.isin(grades, MEASURED_GRADES) for side in sides]
    counts = _by_cell(table.cells, grades >= Grade.CLEAR, measured)
    pairs = _pairs(table, first, second, grades, wanted)
    return RateDifference(
        check=check,
        first=one,
        second=two,
        difference=None if one.rate is None or two.rate is None else two.rate - one.rate,
        interval=_newcombe(one, two),
        cluster_interval=_cluster_bootstrap(counts, rng) if rng is not None else None,
        **_paired(pairs, grades, table.cells),
    )


def flipped(
    table: OutcomeTable,
    first: str,
    second: str,
    *,
    checks: Collection[str] | None = None,
    limit: int | None = None,
) -> tuple[list[Flip], int]:
    """Images of the same scenario, seed and epoch that fail in one run and not in the other, pinned seeds too.

    Args:
        table: images.
        first: name of the first run.
        second: name of the second run.
        checks: those that can make an image fail; by default all.
        limit: return only so many.

    Returns:
        Flips, the worst turns for the second run first: a hand that was fine in the first run and is lost in the second
        comes before one that is fused. And how many there are in all.
    """
    grades = table.image_grades(checks)
    one, two = _pairs(table, first, second, grades, np.ones(len(table), dtype=bool))
    turned = (grades[one] >= Grade.CLEAR) != (grades[two] >= Grade.CLEAR)
    one, two = one[turned], two[turned]
    epochs = np.array([epoch or 0 for _, epoch in table.checkpoints], dtype=np.int64)[table.checkpoint[one]]
    gap = grades[one].astype(np.int64) - grades[two]
    order = np.lexsort((epochs, table.seed[one], table.scenario[one], gap))[:limit]
    flips = [
        Flip(
            table.scenarios[int(table.scenario[row])],
            int(table.seed[row]),
            table.checkpoints[int(table.checkpoint[row])][1],
            Grade(int(grades[row])),
            Grade(int(grades[other])),
        )
        for row, other in zip(one[order].tolist(), two[order].tolist(), strict=True)
    ]
    return flips, len(one)


def _grades(table: OutcomeTable, check: str | None, character: str | None) -> NDArray[np.int8]:
    """Grade of each image under a check and character; not asked where it says nothing of them."""
    if check not in (None, *table.checks) or character not in (None, *table.characters):
        return np.zeros(len(table), dtype=np.int8)
    if character is not None:
        own = table.character_grades[:, :, table.characters.index(character)]
        return own.max(axis=1, initial=0) if check is None else own[:, table.checks.index(check)]
    return table.image_grades() if check is None else table.grades[:, table.checks.index(check)]


def _of_run(table: OutcomeTable, run: str) -> Bools:
    return np.array([name == run for name, _ in table.checkpoints], dtype=bool)[table.checkpoint]


def _by_cell(cells: NDArray[np.int64], fails: Bools, measured: Sequence[Bools]) -> NDArray[np.int64]:
    """Fails and measured of the first, then of the second, for each (scenario, seed); shape ``(cells, 4)``."""
    known = np.unique(cells[measured[0] | measured[1]])
    columns = []
    for side in measured:
        for rows in (side & fails, side):
            columns.append(np.bincount(np.searchsorted(known, cells[rows]), minlength=len(known)))
    return np.stack(columns, axis=1) if len(known) else np.zeros((0, 4), dtype=np.int64)


def _pairs(
    table: OutcomeTable, first: str, second: str, grades: NDArray[np.int8], wanted: Bools
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of both runs with the same scenario, seed and epoch, both measured."""
    known = sorted({epoch for _, epoch in table.checkpoints}, key=lambda epoch: (epoch is None, epoch or 0))
    place = np.array([known.index(epoch) for _, epoch in table.checkpoints], dtype=np.int64)[table.checkpoint]
    codes = table.cells * max(1, len(known)) + place
    usable = wanted & np.isin(grades, MEASURED_GRADES)
    one, two = (np.flatnonzero(usable & _of_run(table, run)) for run in (first, second))
    _, mine, theirs = np.intersect1d(codes[one], codes[two], return_indices=True)
    return one[mine], two[theirs]


def _paired(
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]], grades: NDArray[np.int8], cells: NDArray[np.int64]
) -> dict[str, Any]:
    one, two = pairs
    if not len(one):
        return {}
    first, second = grades[one] >= Grade.CLEAR, grades[two] >= Grade.CLEAR
    _, place = np.unique(cells[one], return_inverse=True)
    epochs = np.bincount(place)
    left, right = ((np.bincount(place, weights=only) / epochs).sum() for only in (first & ~second, second & ~first))
    low, high = difference_ends(left, right, len(epochs))
    return {
        "pairs": len(one),
        "paired_difference": float((second.sum() - first.sum()) / len(one)),
        "paired_interval": (float(low), float(high)),
        "first_only": int((first & ~second).sum()),
        "second_only": int((second & ~first).sum()),
    }


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


def _cluster_bootstrap(counts: NDArray[np.int64], rng: np.random.Generator, resamples: int = 4000) -> Interval | None:
    """Interval of the difference when whole (scenario, seed) clusters are redrawn.

    The percentile interval of a bootstrap; from :data:`MANY_CLUSTERS` on the normal interval with the cluster-robust
    variance of both rates, which is its limit and takes no redrawing. ``None`` below two clusters, or if neither run
    ever fails or both always do: then there is nothing to redraw.

    Args:
        counts: shape ``(clusters, 4)``: fails and measured of the first, then of the second.
        rng: drives the redrawing.
        resamples: how many.
    """
    k = len(counts)
    if k >= MANY_CLUSTERS:
        return _linearised(counts)
    drawn = rng.multinomial(k, np.full(k, 1 / k), size=resamples) @ counts if k > 1 else np.zeros((0, 4))
    drawn = drawn[(drawn[:, 1] > 0) & (drawn[:, 3] > 0)]
    differences = drawn[:, 2] / drawn[:, 3] - drawn[:, 0] / drawn[:, 1]
    if not len(differences) or np.ptp(differences) == 0:
        return None
    low, high = np.quantile(differences, [ALPHA / 2, 1 - ALPHA / 2])
    return float(low), float(high)


def _linearised(counts: NDArray[np.int64]) -> Interval | None:
    totals = counts.sum(axis=0)
    if not totals[1] or not totals[3]:
        return None
    rates = totals[[0, 2]] / totals[[1, 3]]
    shares = (counts[:, [0, 2]] - rates * counts[:, [1, 3]]) / totals[[1, 3]]
    spread = math.sqrt(float(((shares[:, 1] - shares[:, 0]) ** 2).sum()) * len(counts) / (len(counts) - 1))
    difference = float(rates[1] - rates[0])
    return (max(-1.0, difference - Z * spread), min(1.0, difference + Z * spread)) if spread else None
