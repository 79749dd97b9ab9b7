"""The leaderboard: every checkpoint's failure rate with its uncertainty, best first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.findings import Severity
from service.rankings.intervals import Interval, Tally, as_list
from service.rankings.outcomes import CONTROL, MEASURED_GRADES, SEVERITY_WEIGHTS, CellOutcome, Grade, grade_cost
from service.rankings.table_of_outcomes import OutcomeTable


@dataclass(frozen=True)
class CellGrades:
    """What became of a checkpoint's images, by cell: what makes two checkpoints of one table comparable.

    Attributes:
        codes: shape ``(images,)``, ascending: a number for each (scenario, seed), the same for all checkpoints.
        grades: shape ``(images,)``, :class:`~service.rankings.outcomes.Grade` of the whole image.
    """

    codes: NDArray[np.int64]
    grades: NDArray[np.int8]

    def measured(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Codes of the measured cells, and whether each of them fails."""
        kept = np.isin(self.grades, MEASURED_GRADES)
        return self.codes[kept], self.grades[kept] >= Grade.CLEAR


@dataclass(frozen=True)
class LeaderboardEntry:
    """One checkpoint's figures.

    Attributes:
        run: name of the run.
        epoch: the checkpoint's epoch, ``None`` where it is unknown.
        images: all its images, invalid ones too.
        invalid: how many of them are invalid.
        tally: what became of the others.
        severity_score: mean cost of a measured image's worst fault, 0..1, lower is better; ``None`` if none was
            measured. Weights in :data:`service.rankings.outcomes.SEVERITY_WEIGHTS`.
        checks: per check, images by the worst of its findings.
        scenarios: per scenario, whole images.
        scenario_checks: per scenario and check.
        characters: per character and check.
        cells: what became of each image, by scenario and seed; to compare with entries of the same leaderboard.
    """

    run: str
    epoch: int | None
    images: int
    invalid: int
    tally: Tally
    severity_score: float | None
    checks: Mapping[str, Tally]
    scenarios: Mapping[str, Tally]
    scenario_checks: Mapping[str, Mapping[str, Tally]]
    characters: Mapping[str, Mapping[str, Tally]]
    cells: CellGrades = field(repr=False, compare=False)

    @property
    def failure_rate(self) -> float | None:
        """fails / (fails + minor + holds), 0..1; ``None`` if nothing was measured."""
        return self.tally.rate

    @property
    def interval(self) -> Interval | None:
        """95 % Wilson interval of the failure rate."""
        return self.tally.interval

    @property
    def bounds(self) -> Interval | None:
        """The failure rate if everything not measurable held, and if all of it failed."""
        return self.tally.bounds

    @property
    def measured_share(self) -> float:
        """Part of all images, invalid ones too, that got a verdict, 0..1."""
        return self.tally.measured / self.images if self.images else 0.0

    @property
    def label(self) -> str:
        """What people call it: ``v2 epoch 140``, or the run's name where the epoch is unknown."""
        return self.run if self.epoch is None else f"{self.run} epoch {self.epoch}"

    def to_json(self) -> dict[str, Any]:
        """The entry as plain JSON values."""
        return {
            "run": self.run,
            "epoch": self.epoch,
            "images": self.images,
            "invalid": self.invalid,
            "fails": self.tally.fails,
            "minor": self.tally.minor,
            "holds": self.tally.holds,
            "not_measurable": self.tally.not_measurable,
            "failure_rate": self.failure_rate,
            "interval": as_list(self.interval),
            "bounds": as_list(self.bounds),
            "severity_score": self.severity_score,
            "checks": _json(self.checks),
            "scenarios": {
                name: {**tally.to_json(), "checks": _json(self.scenario_checks[name])}
                for name, tally in self.scenarios.items()
            },
            "characters": {name: {"checks": _json(tallies)} for name, tallies in self.characters.items()},
        }


def build_leaderboard(
    outcomes: Iterable[CellOutcome] | OutcomeTable, severities: Mapping[Severity, float] = SEVERITY_WEIGHTS
) -> list[LeaderboardEntry]:
    """Every checkpoint's entry, best first. The control is no checkpoint and is left out.

    Order: failure rate, then severity score, then more measured images, then run by name, then the earlier epoch
    (less baked, all else equal). A checkpoint of which nothing was measured comes last.

    Args:
        outcomes: images, or the table of them.
        severities: what one image costs by its worst fault, 0..1.

    Raises:
        ValueError: if a cell is there twice.
    """
    entries = _entries(as_table(outcomes), severities)
    return sorted((entry for entry in entries if entry.run != CONTROL), key=_order)


def control_entry(
    outcomes: Iterable[CellOutcome] | OutcomeTable, severities: Mapping[Severity, float] = SEVERITY_WEIGHTS
) -> LeaderboardEntry | None:
    """The base model's own figures, or ``None`` if there are no control images.

    Raises:
        ValueError: if a cell is there twice.
    """
    table = as_table(outcomes)
    entries = _entries(table.keep(table.is_control[table.checkpoint]), severities) if len(table) else []
    return next((entry for entry in entries if entry.run == CONTROL), None)


def as_table(outcomes: Iterable[CellOutcome] | OutcomeTable) -> OutcomeTable:
    """The table of outcomes, which a table is already."""
    return outcomes if isinstance(outcomes, OutcomeTable) else OutcomeTable.from_outcomes(outcomes)


def _order(entry: LeaderboardEntry) -> tuple[Any, ...]:
    rate, severity = entry.failure_rate, entry.severity_score
    if rate is None or severity is None:
        return (1, 0.0, 0.0, 0, entry.run, _epoch_order(entry.epoch))
    return (0, rate, severity, -entry.tally.measured, entry.run, _epoch_order(entry.epoch))


def _epoch_order(epoch: int | None) -> tuple[bool, int]:
    return (epoch is None, epoch or 0)


def _entries(table: OutcomeTable, severities: Mapping[Severity, float]) -> list[LeaderboardEntry]:
    rated = table.rated
    grades, cells = rated.image_grades(), rated.cells
    starts = np.searchsorted(rated.checkpoint, np.arange(len(table.checkpoints) + 1))
    by_scenario = rated.count_images()
    by_check = rated.count_checks()
    by_character = rated.count_characters()
    costs = np.array([grade_cost(grade, severities) for grade in Grade])
    entries = []
    for code in np.unique(table.checkpoint).tolist():
        own = slice(int(starts[code]), int(starts[code + 1]))
        counts = by_scenario[code].sum(axis=0)
        measured = int(counts[MEASURED_GRADES].sum())
        entries.append(
            LeaderboardEntry(
                run=table.checkpoints[code][0],
                epoch=table.checkpoints[code][1],
                images=own.stop - own.start,
                invalid=int(counts[Grade.INVALID]),
                tally=Tally.of_grades(counts.tolist()),
                severity_score=float(counts[MEASURED_GRADES] @ costs[MEASURED_GRADES]) / measured if measured else None,
                checks=_tallies(table.checks, by_check[code].sum(axis=0)),
                scenarios=_tallies(table.scenarios, by_scenario[code]),
                scenario_checks={
                    name: _tallies(table.checks, by_check[code, place])
                    for place, name in enumerate(table.scenarios)
                    if by_scenario[code, place].any()
                },
                characters={
                    name: found
                    for place, name in enumerate(table.characters)
                    if (found := _tallies(table.checks, by_character[code, :, place]))
                },
                cells=CellGrades(cells[own], grades[own]),
            )
        )
    return entries


def _tallies(names: Sequence[str], counts: NDArray[np.int64]) -> dict[str, Tally]:
    """A tally for each row of ``counts`` (names, grades) in which anything was asked."""
    asked = counts[:, Grade.HOLDS :].sum(axis=1) > 0
    rows = counts.tolist()
    return {name: Tally.of_grades(rows[place]) for place, name in enumerate(names) if asked[place]}


def _json(tallies: Mapping[str, Tally]) -> dict[str, Any]:
    return {name: tally.to_json() for name, tally in tallies.items()}
