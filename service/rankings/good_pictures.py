"""Good pictures, not only good epochs: how many to generate for a clean one, and which are there already."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.rankings.clusters import wilson_ends
from service.rankings.intervals import LEVEL, Interval
from service.rankings.outcomes import HIT_RATE_CHECKS, MEASURED_GRADES, Grade
from service.rankings.table_of_outcomes import Checkpoint, OutcomeTable


@dataclass(frozen=True)
class CleanChance:
    """How often one checkpoint draws one scenario without any fault.

    Attributes:
        checkpoint: run and epoch.
        scenario: name.
        clean: images on which every check was measured and holds, and the asked pose came out where it was looked at.
        measured: images that were measured.
        interval: 95 % Wilson interval of clean / measured; ``None`` if nothing was measured.
        needed: images to generate for at least one clean one with 95 %; ``None`` where none was clean.
        needed_at_most: the same if the chance is only the interval's lower end; ``None`` where that is 0.
        keepers: seeds of the clean images, pinned ones too.
    """

    checkpoint: Checkpoint
    scenario: str
    clean: int
    measured: int
    interval: Interval | None
    needed: int | None
    needed_at_most: int | None
    keepers: tuple[int, ...]

    @property
    def chance(self) -> float | None:
        """Chance that one picture is clean, 0..1."""
        return self.clean / self.measured if self.measured else None


def pictures_needed(chance: float, level: float = LEVEL) -> int | None:
    """How many pictures to generate so that at least one is clean with that probability.

    1 - (1 - chance)^n >= level, pictures with different seeds being independent. ``None`` where none ever is.

    >>> pictures_needed(0.5), pictures_needed(1.0), pictures_needed(0.0)
    (5, 1, None)
    """
    if chance <= 0:
        return None
    if chance >= 1:
        return 1
    # A hair less, so that rounding never asks for one picture too many where the count is exact.
    return max(1, math.ceil(math.log(1 - level) / math.log1p(-chance) - 1e-9))


def clean_chances(table: OutcomeTable) -> list[CleanChance]:
    """How often each checkpoint, and the control, draws each scenario without any fault.

    Clean is stricter than "does not fail": a small fault, or another pose than asked, is not clean.
    """
    grades = table.image_grades()
    hit = np.array([name in HIT_RATE_CHECKS for name in table.checks], dtype=bool)
    poses = table.grades[:, hit].max(axis=1, initial=Grade.NOT_ASKED)
    clean = (grades == Grade.HOLDS) & (poses <= Grade.MINOR)
    # Where the pose could not be judged there is no saying whether the picture is clean.
    measured = np.isin(grades, MEASURED_GRADES) & ((poses != Grade.NOT_MEASURABLE) | (grades >= Grade.MINOR))
    counted = measured & ~table.pinned
    shape = (len(table.checkpoints), len(table.scenarios))
    place = table.checkpoint * shape[1] + table.scenario
    size = shape[0] * shape[1]
    images = np.bincount(place, minlength=size)
    total = np.bincount(place[counted], minlength=size)
    good = np.bincount(place[counted & clean], minlength=size)
    ends = wilson_ends(good, total)
    seeds = _seeds(place[clean], table.seed[clean], size)
    chances = []
    for code in np.flatnonzero(images).tolist():
        low, high = (float(end) for end in ends[code])
        chances.append(
            CleanChance(
                checkpoint=table.checkpoints[code // shape[1]],
                scenario=table.scenarios[code % shape[1]],
                clean=int(good[code]),
                measured=int(total[code]),
                interval=(low, high) if total[code] else None,
                needed=pictures_needed(good[code] / total[code]) if total[code] else None,
                needed_at_most=pictures_needed(low) if total[code] else None,
                keepers=tuple(seeds[code]),
            )
        )
    return chances


def _seeds(place: NDArray[np.int64], seed: NDArray[np.int64], size: int) -> list[list[int]]:
    """Seeds by place; rows are sorted by place already."""
    starts = np.searchsorted(place, np.arange(size + 1))
    values = seed.tolist()
    return [values[starts[code] : starts[code + 1]] for code in range(size)]
