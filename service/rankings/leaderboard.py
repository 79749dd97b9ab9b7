"""The leaderboard: every checkpoint's failure rate with its uncertainty, best first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.rankings.clusters import pooled_intervals
from service.rankings.intervals import Interval, Tally, as_list
from service.rankings.outcomes import APART_CHECKS, CONTROL, MEASURED_GRADES, CellOutcome, Grade
from service.rankings.table_of_outcomes import OutcomeTable
from service.rankings.uses import Scoring

DEFAULT = Scoring()


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
        pooled_interval: 95 % interval of the failure rate on prompts like these, wider where scenarios differ
            (:func:`service.rankings.clusters.pooled_intervals`); ``None`` if nothing was measured.
        design_effect: how many of these images say as much as one independent image would.
        severity_score: mean cost of a measured image's dearest fault, 0..1, lower is better; ``None`` if none was
            measured. What faults cost is said by :class:`service.rankings.uses.Scoring`.
        hits: how often the asked pose came out: ``fails`` are misses; ``None`` if nothing looked at it.
        follows: how often an asked change was followed: ``fails`` were not; ``None`` if nothing asked for one.
        checks: per check that can make an image fail, images by the worst of its findings.
        scenarios: per scenario, whole images.
        scenario_checks: per scenario and check.
        characters: per character and check.
        scenario_characters: per scenario, character and check.
        cells: what became of each image, by scenario and seed; to compare with entries of the same leaderboard.
    """

    run: str
    epoch: int | None
    images: int
    invalid: int
    tally: Tally
    pooled_interval: Interval | None
    design_effect: float
    severity_score: float | None
    hits: Tally | None
    follows: Tally | None
    checks: Mapping[str, Tally]
    scenarios: Mapping[str, Tally]
    scenario_checks: Mapping[str, Mapping[str, Tally]]
    characters: Mapping[str, Mapping[str, Tally]]
    scenario_characters: Mapping[str, Mapping[str, Mapping[str, Tally]]]
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
    def hit_rate(self) -> float | None:
        """Part of the images, where it could be told, that show the asked pose, 0..1."""
        return None if self.hits is None or self.hits.rate is None else 1 - self.hits.rate

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
            "pooled_interval": as_list(self.pooled_interval),
            "design_effect": self.design_effect,
            "severity_score": self.severity_score,
            "pose_hits": _shares(self.hits),
            "follow_through": _shares(self.follows),
            "checks": _json(self.checks),
            "scenarios": {
                name: {
                    **tally.to_json(),
                    "checks": _json({check: own for check, own in found.items() if check not in APART_CHECKS}),
                    "pose_hits": _shares(found.get("pose")),
                    "follow_through": _shares(found.get("follow_through")),
                    "characters": {
                        character: {"checks": _json(checks)}
                        for character, checks in self.scenario_characters.get(name, {}).items()
                    },
                }
                for name, tally in self.scenarios.items()
                for found in [self.scenario_checks[name]]
            },
            "characters": {name: {"checks": _json(tallies)} for name, tallies in self.characters.items()},
        }


def build_leaderboard(
    outcomes: Iterable[CellOutcome] | OutcomeTable, scoring: Scoring = DEFAULT
) -> list[LeaderboardEntry]:
    """Every checkpoint's entry, best first. The control is no checkpoint and is left out.

    Order: failure rate, or with weights per check the severity score; then the other of the two, then more measured
    images, then run by name, then the earlier epoch (less baked, all else equal). A checkpoint of which nothing was
    measured comes last.

    Args:
        outcomes: images, or the table of them.
        scoring: what an image costs; a check of weight 0 makes none fail.

    Raises:
        ValueError: if a cell is there twice.
    """
    entries = [entry for entry in _entries(as_table(outcomes), scoring) if entry.run != CONTROL]
    return sorted(entries, key=lambda entry: _order(entry, bool(scoring.weights)))


def control_entry(
    outcomes: Iterable[CellOutcome] | OutcomeTable, scoring: Scoring = DEFAULT
) -> LeaderboardEntry | None:
    """The base model's own figures, or ``None`` if there are no control images.

    Raises:
        ValueError: if a cell is there twice.
    """
    table = as_table(outcomes)
    entries = _entries(table.keep(table.is_control[table.checkpoint]), scoring) if len(table) else []
    return next((entry for entry in entries if entry.run == CONTROL), None)


def as_table(outcomes: Iterable[CellOutcome] | OutcomeTable) -> OutcomeTable:
    """The table of outcomes, which a table is already."""
    return outcomes if isinstance(outcomes, OutcomeTable) else OutcomeTable.from_outcomes(outcomes)


def _order(entry: LeaderboardEntry, by_cost: bool) -> tuple[Any, ...]:
    rate, severity = entry.failure_rate, entry.severity_score
    if rate is None or severity is None:
        return (1, 0.0, 0.0, 0, entry.run, _epoch_order(entry.epoch))
    first, second = (severity, rate) if by_cost else (rate, severity)
    return (0, first, second, -entry.tally.measured, entry.run, _epoch_order(entry.epoch))


def _epoch_order(epoch: int | None) -> tuple[bool, int]:
    return (epoch is None, epoch or 0)


def _entries(table: OutcomeTable, scoring: Scoring) -> list[LeaderboardEntry]:
    rated = table.rated
    checks = scoring.checks(table)
    grades, cells, costs = rated.image_grades(checks), rated.cells, scoring.costs(rated)
    starts = np.searchsorted(rated.checkpoint, np.arange(len(table.checkpoints) + 1))
    by_scenario = rated.count_images(checks)
    fails = by_scenario[..., Grade.CLEAR : Grade.INVALID].sum(axis=-1)
    pooled = pooled_intervals(
        fails, by_scenario[..., MEASURED_GRADES].sum(axis=-1), [run for run, _ in table.checkpoints]
    )
    by_check = rated.count_checks()
    by_character = rated.count_characters()
    entries = []
    for code in np.unique(table.checkpoint).tolist():
        own = slice(int(starts[code]), int(starts[code + 1]))
        counts = by_scenario[code].sum(axis=0)
        measured = int(counts[MEASURED_GRADES].sum())
        all_checks = _tallies(table.checks, by_check[code].sum(axis=0))
        entries.append(
            LeaderboardEntry(
                run=table.checkpoints[code][0],
                epoch=table.checkpoints[code][1],
                images=own.stop - own.start,
                invalid=int(counts[Grade.INVALID]),
                tally=Tally.of_grades(counts.tolist()),
                pooled_interval=(float(pooled.ends[code, 0]), float(pooled.ends[code, 1])) if measured else None,
                design_effect=float(pooled.design_effect[code]),
                severity_score=_mean(costs[own], measured),
                hits=all_checks.get("pose"),
                follows=all_checks.get("follow_through"),
                checks={name: tally for name, tally in all_checks.items() if name not in APART_CHECKS},
                scenarios=_tallies(table.scenarios, by_scenario[code]),
                scenario_checks={
                    name: _tallies(table.checks, by_check[code, place])
                    for place, name in enumerate(table.scenarios)
                    if by_scenario[code, place].any()
                },
                characters=_by_character(table, by_character[code].sum(axis=0)),
                scenario_characters={
                    scenario: _by_character(table, by_character[code, number])
                    for number, scenario in enumerate(table.scenarios)
                },
                cells=CellGrades(cells[own], grades[own]),
            )
        )
    return entries


def _mean(costs: NDArray[np.float64], measured: int) -> float | None:
    """The mean of the costs that are known, to the last digit whatever their order."""
    return math.fsum(costs[~np.isnan(costs)].tolist()) / measured if measured else None


def _by_character(table: OutcomeTable, counts: NDArray[np.int64]) -> dict[str, dict[str, Tally]]:
    """Tallies by character and check, from counts of shape (checks, characters, grades)."""
    found = {name: _tallies(table.checks, counts[:, place]) for place, name in enumerate(table.characters)}
    return {name: checks for name, checks in found.items() if checks}


def _tallies(names: Sequence[str], counts: NDArray[np.int64]) -> dict[str, Tally]:
    """A tally for each row of ``counts`` (names, grades) in which anything was asked."""
    asked = counts[:, Grade.HOLDS :].sum(axis=1) > 0
    rows = counts.tolist()
    return {name: Tally.of_grades(rows[place]) for place, name in enumerate(names) if asked[place]}


def _shares(tally: Tally | None) -> dict[str, Any] | None:
    """A tally of a check that counts what came out: ``rate`` is the share that did, 0..1."""
    if tally is None:
        return None
    interval = tally.interval
    return {
        "yes": tally.holds + tally.minor,
        "no": tally.fails,
        "not_measurable": tally.not_measurable,
        "rate": None if tally.rate is None else 1 - tally.rate,
        "interval": None if interval is None else [1 - interval[1], 1 - interval[0]],
    }


def _json(tallies: Mapping[str, Tally]) -> dict[str, Any]:
    return {name: tally.to_json() for name, tally in tallies.items()}
