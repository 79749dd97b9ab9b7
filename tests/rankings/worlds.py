"""Small worlds of outcomes that tests count by hand."""

from __future__ import annotations

from detectors.findings import Severity, Verdict
from service.rankings import CellOutcome, FindingRow

LETTERS = {
    "h": (Verdict.HOLDS, None),
    "m": (Verdict.MINOR, Severity.MINOR),
    "f": (Verdict.FAILS, Severity.CLEAR),
    "F": (Verdict.FAILS, Severity.FUSED),
    "L": (Verdict.FAILS, Severity.LOST),
    "A": (Verdict.FAILS, Severity.LOST),
    "?": (Verdict.NOT_MEASURABLE, None),
}


def row(letter: str, check: str = "hands", character: str | None = "Kei") -> FindingRow:
    """A finding from a letter: h, m, f (clear), F (fused), L (lost), A (lost, as it is not there) or ?."""
    verdict, severity = LETTERS[letter]
    return FindingRow(check, character, verdict, severity, letter == "A")


def outcome(
    letter: str, seed: int = 1, *, run: str = "v1", epoch: int | None = 4, scenario: str = "hug", check: str = "hands"
) -> CellOutcome:
    """An image with one finding; the letter x is an invalid image."""
    findings = () if letter == "x" else (row(letter, check),)
    return CellOutcome(run, epoch, scenario, seed, letter == "x", findings)


def checkpoint(letters: str, run: str = "v1", epoch: int | None = 4, scenario: str = "hug") -> list[CellOutcome]:
    """One image per letter, seeds from zero."""
    return [outcome(letter, seed, run=run, epoch=epoch, scenario=scenario) for seed, letter in enumerate(letters)]
