"""Outcomes as columns: what every ranking is worked out from, without an object for each cell."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.rankings.outcomes import APART_CHECKS, CONTROL, CellOutcome, Grade, grade_of

Ints = NDArray[np.int64]
Grades = NDArray[np.int8]
Checkpoint = tuple[str, int | None]
"""Name of the run, and epoch; the control's run is ``control``."""

NOBODY = -1
"""Code of the character of a finding on the whole image."""


@dataclass(frozen=True)
class OutcomeTable:
    """Images (rows) and what became of every check on them. Rows are sorted: the order images arrived in is no matter.

    Attributes:
        checkpoints: run and epoch by code, by run and ascending epoch, an unknown epoch last; the control is one.
        scenarios: names by code, sorted.
        checks: names by code, sorted.
        characters: names by code, sorted.
        checkpoint: shape ``(images,)``, the code of each image's checkpoint.
        scenario: shape ``(images,)``, the code of each image's scenario.
        seed: shape ``(images,)``.
        invalid: shape ``(images,)``, whether it is no picture.
        pinned: shape ``(images,)``, whether it is shown only and kept out of the rates.
        grades: shape ``(images, checks)``, :class:`~service.rankings.outcomes.Grade`,
            the worst of the findings of the check.
        character_grades: shape ``(images, checks, characters)``, the same for findings about one character.
        absent: shape ``(images, checks, characters)``, whether that grade rests on something expected not being there.
    """

    checkpoints: tuple[Checkpoint, ...]
    scenarios: tuple[str, ...]
    checks: tuple[str, ...]
    characters: tuple[str, ...]
    checkpoint: Ints
    scenario: Ints
    seed: Ints
    invalid: NDArray[np.bool_]
    pinned: NDArray[np.bool_]
    grades: Grades
    character_grades: Grades
    absent: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.checkpoint)

    @classmethod
    def from_columns(
        cls,
        *,
        checkpoints: Sequence[Checkpoint],
        scenarios: Sequence[str],
        checks: Sequence[str],
        characters: Sequence[str],
        checkpoint: Any,
        scenario: Any,
        seed: Any,
        invalid: Any,
        image: Any,
        check: Any,
        character: Any,
        grade: Any,
        expected: Mapping[str, Collection[str]] | None = None,
        pinned: Any = None,
        absent: Any = None,
    ) -> OutcomeTable:
        """Build the table from integer codes, as a database hands them over: a row an image, and a row a finding.

        Args:
            checkpoints: run and epoch by code.
            scenarios: names by code.
            checks: names by code; those that are only in ``expected`` are added.
            characters: names by code.
            checkpoint: shape ``(images,)``, code of each image's checkpoint.
            scenario: shape ``(images,)``, code of each image's scenario.
            seed: shape ``(images,)``.
            invalid: shape ``(images,)``, whether it is no picture.
            image: shape ``(findings,)``, the row of the image each finding is about.
            check: shape ``(findings,)``, codes.
            character: shape ``(findings,)``, codes, or :data:`NOBODY`.
            grade: shape ``(findings,)``, what :func:`service.rankings.outcomes.grade_of` gives.
            expected: by name of scenario, names of the checks it asks for; one without a finding was not measured.
            pinned: shape ``(images,)``; by default none is.
            absent: shape ``(findings,)``, as :attr:`FindingRow.absent`; by default none is.

        Raises:
            ValueError: a cell is there twice.
        """
        wanted = expected or {}
        names = sorted({*checks, *(name for asked in wanted.values() for name in asked)})
        people, places = sorted(set(characters)), sorted(set(scenarios))
        ranked = sorted(set(checkpoints), key=lambda item: (item[0], item[1] is None, item[1] or 0))
        rows = len(checkpoint)
        grades, own, missing = _graded(
            (rows, len(names), len(people)),
            np.asarray(image, dtype=np.int64),
            _recode(checks, names)[np.asarray(check, dtype=np.int64)],
            np.append(_recode(characters, people), NOBODY)[np.asarray(character, dtype=np.int64)],
            np.asarray(grade, dtype=np.int8),
            np.zeros(len(grade), dtype=bool) if absent is None else np.asarray(absent, dtype=bool),
        )
        table = cls._sorted(
            (tuple(ranked), tuple(places), tuple(names), tuple(people)),
            _recode(checkpoints, ranked)[np.asarray(checkpoint, dtype=np.int64)],
            _recode(scenarios, places)[np.asarray(scenario, dtype=np.int64)],
            np.asarray(seed, dtype=np.int64),
            np.asarray(invalid, dtype=bool),
            np.zeros(rows, dtype=bool) if pinned is None else np.asarray(pinned, dtype=bool),
            grades,
            own,
            missing,
        )
        asked = np.array([[name in wanted.get(place, ()) for name in names] for place in places], dtype=bool)
        if asked.size and rows:
            unanswered = asked[table.scenario] & (table.grades == Grade.NOT_ASKED)
            table.grades[unanswered] = Grade.NOT_MEASURABLE
        table.grades[table.invalid] = Grade.INVALID
        table.character_grades[table.invalid] = Grade.INVALID
        return table

    @classmethod
    def from_outcomes(cls, outcomes: Iterable[CellOutcome]) -> OutcomeTable:
        """Build the table from outcomes; handy where there are few.

        Raises:
            ValueError: a cell is there twice.
        """
        images = list(outcomes)
        checkpoints = list({(each.run, each.epoch): None for each in images})
        # Images of one scenario may expect different checks: what is missing is written as a finding of its own.
        rows = [
            (number, row.check, row.character, grade_of(row.verdict, row.severity), row.absent)
            for number, each in enumerate(images)
            for row in each.findings
        ]
        rows += [
            (number, name, None, Grade.NOT_MEASURABLE, False)
            for number, each in enumerate(images)
            for name in set(each.expected) - {row.check for row in each.findings}
        ]
        checks = list({check: None for _, check, *_ in rows})
        characters = list({name: None for _, _, name, *_ in rows if name is not None})
        scenarios = list({each.scenario: None for each in images})
        places = {name: code for code, name in enumerate(scenarios)}
        people: dict[str | None, int] = {name: code for code, name in enumerate(characters)}
        runs = {key: code for code, key in enumerate(checkpoints)}
        codes = {name: code for code, name in enumerate(checks)}
        return cls.from_columns(
            checkpoints=checkpoints,
            scenarios=scenarios,
            checks=checks,
            characters=characters,
            checkpoint=[runs[each.run, each.epoch] for each in images],
            scenario=[places[each.scenario] for each in images],
            seed=[each.seed for each in images],
            invalid=[each.invalid for each in images],
            pinned=[each.pinned for each in images],
            image=[number for number, *_ in rows],
            check=[codes[name] for _, name, *_ in rows],
            character=[people.get(name, NOBODY) for _, _, name, *_ in rows],
            grade=[grade for *_, grade, _ in rows],
            absent=[absent for *_, absent in rows],
        )

    @classmethod
    def _sorted(
        cls,
        names: tuple[tuple[Checkpoint, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]],
        checkpoint: Ints,
        scenario: Ints,
        seed: Ints,
        *others: NDArray[Any],
    ) -> OutcomeTable:
        order = np.lexsort((seed, scenario, checkpoint))
        checkpoint, scenario, seed = checkpoint[order], scenario[order], seed[order]
        same = (np.diff(checkpoint) == 0) & (np.diff(scenario) == 0) & (np.diff(seed) == 0)
        if same.any():
            run, epoch = names[0][int(checkpoint[:-1][same][0])]
            raise ValueError(f"{run} epoch {epoch} has the same scenario and seed twice")
        return cls(*names, checkpoint, scenario, seed, *(column[order] for column in others))

    def keep(self, rows: NDArray[np.bool_]) -> OutcomeTable:
        """The table of some images; codes stay what they are."""
        return replace(
            self,
            checkpoint=self.checkpoint[rows],
            scenario=self.scenario[rows],
            seed=self.seed[rows],
            invalid=self.invalid[rows],
            pinned=self.pinned[rows],
            grades=self.grades[rows],
            character_grades=self.character_grades[rows],
            absent=self.absent[rows],
        )

    @property
    def rated(self) -> OutcomeTable:
        """The images that count in rates: those whose seed is not pinned."""
        return self.keep(~self.pinned) if self.pinned.any() else self

    def image_grades(self, checks: Collection[str] | None = None) -> Grades:
        """What became of each image as a whole, shape ``(images,)``: the worst of its checks.

        Args:
            checks: only these; by default all but those in :data:`~service.rankings.outcomes.APART_CHECKS`.
        """
        wanted = [name not in APART_CHECKS if checks is None else name in checks for name in self.checks]
        grades = self.grades[:, wanted].max(axis=1, initial=Grade.NOT_ASKED)
        grades[self.invalid] = Grade.INVALID
        grades[grades == Grade.NOT_ASKED] = Grade.NOT_MEASURABLE
        return grades

    @cached_property
    def cells(self) -> Ints:
        """A number for each (scenario, seed), shape ``(images,)``: equal where two checkpoints are comparable."""
        seeds = np.unique(self.seed)
        return self.scenario * max(1, len(seeds)) + np.searchsorted(seeds, self.seed)

    def code(self, run: str, epoch: int | None) -> int:
        """Code of a checkpoint.

        Raises:
            ValueError: there is none.
        """
        return self.checkpoints.index((run, epoch))

    @property
    def is_control(self) -> NDArray[np.bool_]:
        """Shape ``(checkpoints,)``: whether it is the base model without a LoRA."""
        return np.array([run == CONTROL for run, _ in self.checkpoints], dtype=bool)

    def count_checks(self) -> Ints:
        """How many images have each grade, shape ``(checkpoints, scenarios, checks, 8)``."""
        place = (self.checkpoint * len(self.scenarios) + self.scenario)[:, None] * len(self.checks)
        shape = (len(self.checkpoints), len(self.scenarios), len(self.checks), len(Grade))
        return _count(place + np.arange(len(self.checks)), self.grades, shape)

    def count_images(self, checks: Collection[str] | None = None) -> Ints:
        """How many images as a whole have each grade, shape ``(checkpoints, scenarios, 8)``."""
        place = self.checkpoint * len(self.scenarios) + self.scenario
        return _count(place, self.image_grades(checks), (len(self.checkpoints), len(self.scenarios), len(Grade)))

    def count_characters(self) -> Ints:
        """How many images have each grade, shape ``(checkpoints, scenarios, checks, characters, 8)``."""
        columns = len(self.checks) * len(self.characters)
        grades = self.character_grades.reshape(len(self), columns)
        place = (self.checkpoint * len(self.scenarios) + self.scenario)[:, None] * columns + np.arange(columns)
        shape = (len(self.checkpoints), len(self.scenarios), len(self.checks), len(self.characters), len(Grade))
        return _count(place, grades, shape)


def _recode(old: Sequence[Any], new: Sequence[Any]) -> Ints:
    places = {name: code for code, name in enumerate(new)}
    return np.array([places[name] for name in old], dtype=np.int64)


def _graded(
    shape: tuple[int, int, int], image: Ints, check: Ints, character: Ints, grade: Grades, absent: NDArray[np.bool_]
) -> tuple[Grades, Grades, NDArray[np.bool_]]:
    """The worst grade per image and check, over everybody and per character; which of the latter rest on absence."""
    images, checks, characters = shape
    grades = np.zeros(images * checks, dtype=np.int8)
    np.maximum.at(grades, image * checks + check, grade)
    own = np.zeros(images * checks * characters, dtype=np.int8)
    named = character != NOBODY
    place, grade, absent = ((image * checks + check) * characters + character)[named], grade[named], absent[named]
    np.maximum.at(own, place, grade)
    worst, missing = grade == own[place], np.zeros(images * checks * characters, dtype=bool)
    missing[place[worst & absent]] = True
    missing[place[worst & ~absent]] = False
    return grades.reshape(images, checks), own.reshape(shape), missing.reshape(shape)


def _count(place: Ints, grades: Grades, shape: tuple[int, ...]) -> Ints:
    size = int(np.prod(shape))
    return np.bincount((place * len(Grade) + grades).ravel(), minlength=size).reshape(shape)
