"""Lost because it is not there: does any other picture of the same prompt and seed show it?

A hand that a pose must show and that is not in the picture is called lost. It might be covered all the same. Pictures
of one scenario and seed are composed alike, so a hand that no checkpoint and not the base alone shows is more likely
covered than one that some of them show.

That is so for all pictures of a (scenario, seed) or for none: on each of them the hand is lost or was not judged, or
else one would show it. Leaving them out takes the same failures and the same images from every checkpoint, and never
one of a pair that differs: it cannot say which checkpoint is better, only how often all fail. And the verdict on a
picture must not change when another checkpoint is added. Verdicts therefore stay, and what the rates would be without
those pictures is said beside them. See ``docs/decisions/0017-a-second-look-at-lost-hands.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.rankings.intervals import Interval, wilson
from service.rankings.outcomes import MEASURED_GRADES, Grade
from service.rankings.table_of_outcomes import Checkpoint, OutcomeTable


@dataclass(frozen=True)
class SecondLook:
    """One check at one checkpoint, where something is lost because it is not there.

    Attributes:
        checkpoint: run and epoch; the control's are ``control`` and ``None``.
        check: the check.
        absent: images that fail for that alone.
        unseen: those of them whose scenario and seed shows it on no picture, the control's included.
        fails: images on which the check fails.
        measured: images on which it was measured.
    """

    checkpoint: Checkpoint
    check: str
    absent: int
    unseen: int
    fails: int
    measured: int

    @property
    def rate(self) -> float:
        """Its failure rate, 0..1."""
        return self.fails / self.measured

    @property
    def rate_without(self) -> float | None:
        """The failure rate if what nobody shows is covered, and so not measurable; ``None`` if nothing is left."""
        left = self.measured - self.unseen
        return (self.fails - self.unseen) / left if left else None

    @property
    def interval_without(self) -> Interval | None:
        """95 % Wilson interval of that rate."""
        return wilson(self.fails - self.unseen, self.measured - self.unseen)


def second_look(table: OutcomeTable) -> list[SecondLook]:
    """Every checkpoint with something lost by absence, by check. Pinned seeds have no part."""
    rated = table.rated
    absent, unseen = lost_by_absence(rated)
    found = []
    for check in np.flatnonzero(absent.any(axis=0)):
        measured = np.isin(rated.grades[:, check], MEASURED_GRADES)
        failing = measured & (rated.grades[:, check] >= Grade.CLEAR)
        for code in np.unique(rated.checkpoint[absent[:, check]]):
            own = rated.checkpoint == code
            counts = (np.count_nonzero(own & each) for each in (absent[:, check], unseen[:, check], failing, measured))
            found.append(SecondLook(rated.checkpoints[code], rated.checks[check], *map(int, counts)))
    return found


def lost_by_absence(table: OutcomeTable) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which images fail a check for something that is not there, and for which of them no picture shows it.

    Returns:
        Two arrays of shape ``(images, checks)``: the image fails the check for absence alone; and besides, of all she
        lacks no picture of the same scenario and seed shows it on the same character.
    """
    absent, unseen = np.zeros((2, *table.grades.shape), dtype=bool)
    _, cell = np.unique(table.cells, return_inverse=True)
    for check in np.flatnonzero(table.absent.any(axis=(0, 2))):
        grades = table.character_grades[:, check]
        gone = table.absent[:, check] & (grades == Grade.LOST)
        measured = np.isin(grades, MEASURED_GRADES)
        somewhere = np.zeros((int(cell.max()) + 1, grades.shape[1]), dtype=bool)
        np.logical_or.at(somewhere, cell, measured & ~gone)
        firm = measured & (grades >= Grade.CLEAR) & ~gone
        absent[:, check] = (table.grades[:, check] == Grade.LOST) & gone.any(axis=1) & ~firm.any(axis=1)
        unseen[:, check] = absent[:, check] & ~(gone & somewhere[cell]).any(axis=1)
    return absent, unseen
