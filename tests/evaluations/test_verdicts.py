"""Verdicts in one short text, and back as columns."""

from __future__ import annotations

from detectors import Severity, Verdict
from service.evaluations.outcomes import outcome_table
from service.evaluations.requests import EvaluationRequest
from service.evaluations.verdicts import pack, unpack
from service.rankings import CellOutcome, FindingRow, Grade, OutcomeTable
from tests.evaluations.world import small_suite

REQUEST = EvaluationRequest(suite=small_suite(), checkpoints=("a",))
FINDINGS = (
    FindingRow("cast", None, Verdict.HOLDS),
    FindingRow("hands", "Kei", Verdict.FAILS, Severity.LOST),
    FindingRow("hands", "Kana", Verdict.MINOR, Severity.MINOR),
    FindingRow("fusion", None, Verdict.NOT_MEASURABLE),
)
GONE = FindingRow("hands", "Kei", Verdict.FAILS, Severity.LOST, absent=True)


def test_every_verdict_comes_back() -> None:
    found = unpack([pack(FINDINGS), None, pack(FINDINGS[1:2]), ""])
    rows = [
        (image, found.checks[check], found.characters[person] if person >= 0 else None, Grade(grade))
        for image, check, person, grade in zip(
            found.image.tolist(), found.check.tolist(), found.character.tolist(), found.grade.tolist(), strict=True
        )
    ]
    assert rows == [
        (0, "cast", None, Grade.HOLDS),
        (0, "hands", "Kei", Grade.LOST),
        (0, "hands", "Kana", Grade.MINOR),
        (0, "fusion", None, Grade.NOT_MEASURABLE),
        (2, "hands", "Kei", Grade.LOST),
    ]


def test_what_is_lost_by_absence_comes_back_as_that() -> None:
    found = unpack([pack((*FINDINGS, GONE))])
    assert found.grade[[1, -1]].tolist() == [Grade.LOST, Grade.LOST]
    assert found.absent.tolist() == [False, False, False, False, True]
    table = outcome_table([(0, "hug", 7, None, pack([GONE]))], {0: ("control", None)}, REQUEST)
    assert table.absent.any()


def test_nothing_gives_an_empty_table() -> None:
    assert len(outcome_table([], {0: ("control", None)}, REQUEST)) == 0


def test_the_table_from_columns_is_the_table_from_findings() -> None:
    checks = ("cast", "fusion")
    rows = [
        (1, "hug", 7, None, pack(FINDINGS)),
        (0, "hug", 7, None, pack(FINDINGS[:1])),
        (1, "solo", 7, "black", None),
        (1, "hug", 13, None, None),
    ]
    table = outcome_table(rows, {0: ("control", None), 1: ("v1", 4)}, REQUEST)
    expected = OutcomeTable.from_outcomes(
        [
            CellOutcome("v1", 4, "hug", 7, False, FINDINGS, checks),
            CellOutcome("control", None, "hug", 7, False, FINDINGS[:1], checks),
            CellOutcome("v1", 4, "solo", 7, True, (), ("cast", "ahoge_bleed")),
            CellOutcome("v1", 4, "hug", 13, False, (), checks),
        ]
    )
    assert (table.checkpoints, table.checks, table.characters) == (
        expected.checkpoints,
        expected.checks,
        expected.characters,
    )
    assert table.grades.tolist() == expected.grades.tolist()
    assert table.character_grades.tolist() == expected.character_grades.tolist()
