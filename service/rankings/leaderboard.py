"""The leaderboard: every checkpoint's failure rate with its uncertainty, best first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.rankings.intervals import Interval, Tally, as_list
from service.rankings.outcomes import CONTROL, MEASURED, CellOutcome, Judgement, State, cost, judge

Cell = tuple[str, int]
"""Scenario and seed: the pair that makes two checkpoints' images comparable."""


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
        cells: what became of each image, by scenario and seed.
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
    cells: Mapping[Cell, Judgement] = field(repr=False)

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


def build_leaderboard(outcomes: Iterable[CellOutcome]) -> list[LeaderboardEntry]:
    """Every checkpoint's entry, best first. The control is no checkpoint and is left out.

    Order: failure rate, then severity score, then more measured images, then run by name, then the earlier epoch
    (less baked, all else equal). A checkpoint of which nothing was measured comes last.

    Raises:
        ValueError: if a cell is there twice.
    """
    return sorted((_entry(group) for group in _groups(outcomes) if group[0].run != CONTROL), key=_order)


def control_entry(outcomes: Iterable[CellOutcome]) -> LeaderboardEntry | None:
    """The base model's own figures, or ``None`` if there are no control images.

    Raises:
        ValueError: if a cell is there twice.
    """
    control = [outcome for outcome in outcomes if outcome.run == CONTROL]
    return _entry(control) if control else None


def _order(entry: LeaderboardEntry) -> tuple[Any, ...]:
    rate, severity = entry.failure_rate, entry.severity_score
    if rate is None or severity is None:
        return (1, 0.0, 0.0, 0, entry.run, _epoch_order(entry.epoch))
    return (0, rate, severity, -entry.tally.measured, entry.run, _epoch_order(entry.epoch))


def _epoch_order(epoch: int | None) -> tuple[bool, int]:
    return (epoch is None, epoch or 0)


def _groups(outcomes: Iterable[CellOutcome]) -> list[list[CellOutcome]]:
    groups: dict[tuple[str, int | None], list[CellOutcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[outcome.run, outcome.epoch].append(outcome)
    return list(groups.values())


def _entry(group: list[CellOutcome]) -> LeaderboardEntry:
    # Sorted, so that sums of floats do not depend on the order in which images were finished.
    group = sorted(group, key=lambda outcome: (outcome.scenario, outcome.seed))
    cells = {(outcome.scenario, outcome.seed): judge(outcome) for outcome in group}
    if len(cells) < len(group):
        raise ValueError(f"{group[0].run} epoch {group[0].epoch} has the same scenario and seed twice")
    costs = [cost(judgement) for judgement in cells.values() if judgement.state in MEASURED]
    by_scenario = _split(group, lambda outcome: [outcome.scenario])
    return LeaderboardEntry(
        run=group[0].run,
        epoch=group[0].epoch,
        images=len(group),
        invalid=sum(judgement.state is State.INVALID for judgement in cells.values()),
        tally=Tally.of(cells.values()),
        severity_score=sum(costs) / len(costs) if costs else None,
        checks=_check_tallies(group),
        scenarios={name: Tally.of(map(judge, part)) for name, part in by_scenario.items()},
        scenario_checks={name: _check_tallies(part) for name, part in by_scenario.items()},
        characters={name: _check_tallies(part, name) for name, part in _split(group, _characters).items()},
        cells=cells,
    )


def _check_tallies(group: list[CellOutcome], character: str | None = None) -> dict[str, Tally]:
    def names(outcome: CellOutcome) -> list[str]:
        found = [finding.check for finding in outcome.findings if character in (None, finding.character)]
        return [*found, *outcome.expected] if character is None else found

    parts = _split(group, names)
    return {check: Tally.of(judge(outcome, check, character) for outcome in part) for check, part in parts.items()}


def _characters(outcome: CellOutcome) -> list[str]:
    return [finding.character for finding in outcome.findings if finding.character is not None]


def _split(group: list[CellOutcome], names: Callable[[CellOutcome], list[str]]) -> dict[str, list[CellOutcome]]:
    parts: dict[str, list[CellOutcome]] = defaultdict(list)
    for outcome in group:
        for name in set(names(outcome)):
            parts[name].append(outcome)
    return {name: parts[name] for name in sorted(parts)}


def _json(tallies: Mapping[str, Tally]) -> dict[str, Any]:
    return {name: tally.to_json() for name, tally in tallies.items()}
