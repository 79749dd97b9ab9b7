"""What the statistics of audits work on: how many findings there are, how many a person judged, and how."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

VERDICTS = ("holds", "minor", "fails")
"""The machine's verdicts that enter a rate, in the order of the last axis of every array here."""
FAILS = VERDICTS.index("fails")

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AuditCounts:
    """One check (or whole pictures) over K checkpoints, by the machine's verdict; every array is (K, 3).

    Attributes:
        population: findings the machine gave that verdict.
        labelled: those of them that a person judged; "can't tell" is no judgement.
        failing: those of the labelled ones that the person says fail.
        probability: chance of each of the population to be drawn, 0..1, as logged; only where ``labelled`` is it read.
    """

    population: Integers
    labelled: Integers
    failing: Integers
    probability: Floats

    def __post_init__(self) -> None:
        shapes = {self.population.shape, self.labelled.shape, self.failing.shape, self.probability.shape}
        if len(shapes) > 1 or self.population.ndim != 2 or self.population.shape[1] != len(VERDICTS):
            raise ValueError(f"the arrays must all be (checkpoints, {len(VERDICTS)}), not {sorted(shapes)}")
        if (self.failing > self.labelled).any() or (self.labelled > self.population).any():
            raise ValueError("there are more labels than findings, or more failing labels than labels")
        drawn = self.labelled > 0
        if (self.probability[drawn] <= 0).any() or (self.probability[drawn] > 1).any():
            raise ValueError("every labelled finding needs its chance of having been drawn, above 0 and at most 1")

    @property
    def checkpoints(self) -> int:
        """K."""
        return len(self.population)

    @property
    def labels(self) -> int:
        """Labels in all."""
        return int(self.labelled.sum())

    @property
    def rate(self) -> float | None:
        """The machine's own failure rate over all checkpoints, 0..1; ``None`` if it measured nothing."""
        total = self.population.sum()
        return float(self.population[:, FAILS].sum() / total) if total else None

    def only(self, checkpoint: int) -> AuditCounts:
        """The counts of one checkpoint, (1, 3)."""
        row = slice(checkpoint, checkpoint + 1)
        return AuditCounts(self.population[row], self.labelled[row], self.failing[row], self.probability[row])

    def units(self) -> tuple[Floats, Floats, Floats]:
        """Every label by itself: the person's answer (1 fails), the machine's, and 1 / probability; each (labels,)."""
        cells = np.repeat(np.arange(self.labelled.size), self.labelled.ravel())
        rank = np.concatenate([np.arange(n) for n in self.labelled.ravel()]) if self.labels else np.zeros(0)
        human = (rank < self.failing.ravel()[cells]).astype(float)
        machine = (cells % len(VERDICTS) == FAILS).astype(float)
        return human, machine, 1.0 / self.probability.ravel()[cells]
