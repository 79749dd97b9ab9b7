"""The same picture asked for in two ways: which words bring the pose out more often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.rankings.clusters import wilson_ends
from service.rankings.intervals import Interval
from service.rankings.outcomes import HIT_RATE_CHECKS, MEASURED_GRADES, Grade
from service.rankings.paired import difference_ends
from service.rankings.table_of_outcomes import OutcomeTable
from service.rankings.uses import ScenarioFacts


@dataclass(frozen=True)
class Hits:
    """How often a phrasing brings the asked pose out.

    Attributes:
        scenario: name.
        hits: images that show the pose.
        measured: images on which it could be told.
        interval: 95 % of the hit rate, with all epochs of one seed counted as one image; ``None`` if none was measured.
    """

    scenario: str
    hits: int
    measured: int
    interval: Interval | None

    @property
    def rate(self) -> float | None:
        """Hit rate, 0..1."""
        return self.hits / self.measured if self.measured else None


@dataclass(frozen=True)
class PhrasingComparison:
    """Two phrasings side by side, for one run (all its epochs) or for the control.

    Attributes:
        run: name of the run, or ``control``.
        original: the scenario that the other is a variant of.
        variant: the other.
        pairs: images of the same seed and epoch on which both were measured.
        difference: hit rate of the variant less that of the original, on these pairs; ``None`` without one.
        interval: 95 % interval of it, with all epochs of one seed counted as one pair (Bonett and Price).
    """

    run: str
    original: Hits
    variant: Hits
    pairs: int
    difference: float | None
    interval: Interval | None


def compare_phrasings(table: OutcomeTable, facts: Mapping[str, ScenarioFacts]) -> list[PhrasingComparison]:
    """Every pair of phrasings that the suite declares, by run, the control included.

    Without the check ``pose`` nothing says whether the picture came out, and there is nothing to compare.
    """
    rated = table.rated
    columns = np.array([name in HIT_RATE_CHECKS for name in table.checks], dtype=bool)
    if not columns.any() or not len(rated):
        return []
    poses = rated.grades[:, columns].max(axis=1)
    runs = list(dict.fromkeys(run for run, _ in table.checkpoints))
    place = np.array([runs.index(run) for run, _ in table.checkpoints], dtype=np.int64)[rated.checkpoint]
    results = []
    for name, fact in facts.items():
        if name not in table.scenarios or fact.variant_of not in table.scenarios:
            continue
        sides = [table.scenarios.index(fact.variant_of), table.scenarios.index(name)]
        for code, run in enumerate(runs):
            rows = [np.flatnonzero((place == code) & (rated.scenario == side)) for side in sides]
            if all((poses[row] != Grade.NOT_ASKED).any() for row in rows):
                results.append(_compare(rated, poses, run, (fact.variant_of, name), rows))
    return results


def _compare(
    table: OutcomeTable, poses: NDArray[np.int8], run: str, names: tuple[str, str], rows: list[NDArray[np.int64]]
) -> PhrasingComparison:
    known = [side[np.isin(poses[side], MEASURED_GRADES)] for side in rows]
    original, variant = (_hits(table, poses, name, side) for name, side in zip(names, known, strict=True))
    seeds = np.unique(table.seed)
    keys = [table.checkpoint[side] * len(seeds) + np.searchsorted(seeds, table.seed[side]) for side in known]
    _, mine, theirs = np.intersect1d(keys[0], keys[1], return_indices=True)
    one, two = known[0][mine], known[1][theirs]
    if not len(one):
        return PhrasingComparison(run, original, variant, 0, None, None)
    first, second = poses[one] <= Grade.MINOR, poses[two] <= Grade.MINOR
    _, place = np.unique(table.seed[one], return_inverse=True)
    images = np.bincount(place)
    left, right = ((np.bincount(place, weights=only) / images).sum() for only in (first & ~second, second & ~first))
    low, high = difference_ends(left, right, len(images))
    difference = float(second.mean() - first.mean())
    return PhrasingComparison(run, original, variant, len(one), difference, (float(low), float(high)))


def _hits(table: OutcomeTable, poses: NDArray[np.int8], name: str, rows: NDArray[np.int64]) -> Hits:
    hits = int((poses[rows] <= Grade.MINOR).sum())
    if not len(rows):
        return Hits(name, 0, 0, None)
    seeds = len(np.unique(table.seed[rows]))
    low, high = wilson_ends(hits / len(rows) * seeds, seeds)
    return Hits(name, hits, len(rows), (float(low), float(high)))
