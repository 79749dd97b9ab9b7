"""What a checkpoint is wanted for: which scenarios count, and how much each check and kind of fault weighs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from detectors.findings import Severity
from service.rankings.outcomes import APART_CHECKS, MEASURED_GRADES, SEVERITY_WEIGHTS, Grade, grade_cost
from service.rankings.table_of_outcomes import OutcomeTable

MAX_WEIGHT = 100.0


class UnknownUse(ValueError):
    """No such use; the message says which there are."""


@dataclass(frozen=True)
class ScenarioFacts:
    """What ranking needs to know of a scenario.

    Attributes:
        name: its name.
        crossing: whether hands cross the other one's body.
        variant_of: the scenario that asks for the same thing in other words.
    """

    name: str
    crossing: bool = False
    variant_of: str | None = None


@dataclass(frozen=True)
class Use:
    """What the pictures are for.

    Attributes:
        name: as people give it: ``all``, ``hard-contact``, ``no-crossing``, or their own weights.
        crossing: only scenarios with (or without) crossing hands; ``None`` takes all.
        weights: how much a check weighs, 1 where it is not named; 0 leaves it out.
    """

    name: str = "all"
    crossing: bool | None = None
    weights: Mapping[str, float] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """For a sentence: ``hard contact with crossing hands``."""
        return _WORDS.get(self.name, f"weights {self.name}")

    def takes(self, scenario: ScenarioFacts) -> bool:
        """Whether that scenario counts."""
        return self.crossing is None or scenario.crossing == self.crossing

    def restrict(self, table: OutcomeTable, facts: Mapping[str, ScenarioFacts]) -> OutcomeTable:
        """The images that count for this use; a scenario without facts has no crossing hands."""
        taken = [self.takes(facts.get(name, ScenarioFacts(name))) for name in table.scenarios]
        return table if all(taken) else table.keep(np.array(taken, dtype=bool)[table.scenario])


USES = {
    "all": Use(),
    "hard-contact": Use("hard-contact", crossing=True),
    "no-crossing": Use("no-crossing", crossing=False),
}
_WORDS = {
    "all": "everything in the suite",
    "hard-contact": "hard contact with crossing hands",
    "no-crossing": "pictures without crossing hands (standing, hugs, solo)",
}


def parse_use(text: str, checks: Collection[str] = ()) -> Use:
    """Read ``all``, ``hard-contact``, ``no-crossing``, or weights per check such as ``hands=2,ahoge_bleed=0``.

    Args:
        text: what somebody wrote.
        checks: names of the checks there are; by default any name will do.

    Raises:
        UnknownUse: it is none of these.

    >>> parse_use("hands=2,fusion=0").weights
    {'hands': 2.0, 'fusion': 0.0}
    """
    text = text.strip()
    if text in USES:
        return USES[text]
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        name = name.strip()
        try:
            weights[name] = float(number)
        except ValueError:
            raise UnknownUse(
                f"{text!r} is no use; write {', '.join(USES)}, or weights per check such as hands=2,fusion=1"
            ) from None
        if not 0 <= weights[name] <= MAX_WEIGHT:
            raise UnknownUse(f"the weight of {name} is {number}; give 0 (left out) to {MAX_WEIGHT:g}")
        if checks and name not in checks:
            raise UnknownUse(f"there is no check {name!r} here; there are {', '.join(sorted(checks))}")
    return Use(",".join(f"{name}={weight:g}" for name, weight in weights.items()), weights=weights)


@dataclass(frozen=True)
class Scoring:
    """What one image costs.

    Attributes:
        severities: cost of an image by its worst fault, 0..1.
        weights: factor per check, 1 where it is not named; 0 leaves the check out.
    """

    severities: Mapping[Severity, float] = field(default_factory=lambda: SEVERITY_WEIGHTS)
    weights: Mapping[str, float] = field(default_factory=dict)

    def checks(self, table: OutcomeTable) -> tuple[str, ...]:
        """Names of the checks that can make an image fail."""
        return tuple(name for name in table.checks if name not in APART_CHECKS and self.weights.get(name, 1.0) > 0)

    def only(self, *wanted: Severity) -> Scoring:
        """The same, with every other kind of fault for free and these at full cost."""
        return replace(self, severities={each: 1.0 if each in wanted else 0.0 for each in Severity})

    def costs(self, table: OutcomeTable) -> NDArray[np.float64]:
        """What each image costs, shape ``(images,)``, 0..1: its dearest fault. NaN where it was not measured."""
        checks = self.checks(table)
        grades = table.image_grades(checks)
        by_grade = np.array([grade_cost(grade, self.severities) for grade in Grade])
        factors = np.array([self.weights.get(name, 1.0) for name in checks])
        if not len(factors) or np.ptp(factors) == 0:
            costs = by_grade[grades]
        else:
            places = [table.checks.index(name) for name in checks]
            costs = (by_grade[table.grades[:, places]] * factors / factors.max()).max(axis=1, initial=0.0)
        return np.where(np.isin(grades, MEASURED_GRADES), costs, np.nan)

    @property
    def dearest(self) -> float:
        """What the worst image costs."""
        return max(self.severities.values(), default=1.0)

    def by_cell(self, table: OutcomeTable, checkpoints: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """What the images of some checkpoints cost, cell by cell.

        Args:
            table: the images.
            checkpoints: their codes in the table.

        Returns:
            Costs, shape ``(checkpoints, cells)``, nan where there is no measured image; and each cell's scenario, shape
            ``(cells,)``.
        """
        costs = self.costs(table)
        place = np.full(len(table.checkpoints), -1)
        place[list(checkpoints)] = np.arange(len(checkpoints))
        rows = np.flatnonzero((place[table.checkpoint] >= 0) & ~np.isnan(costs))
        _, first, column = np.unique(table.cells[rows], return_index=True, return_inverse=True)
        found = np.full((len(checkpoints), len(first)), np.nan)
        found[place[table.checkpoint[rows]], column] = costs[rows]
        return found, table.scenario[rows][first]
