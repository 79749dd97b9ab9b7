"""Tables that people fill in by eye: a row a seed, a column an epoch, a word in each field."""

from __future__ import annotations

import csv

from detectors.findings import Severity, Verdict
from service.rankings.outcomes import CellOutcome, FindingRow
from service.rankings.table_of_outcomes import OutcomeTable

RUN, SCENARIO, CHECK = "the table", "these pictures", "made by eye"
"""What a table says nothing about."""
WORDS: dict[str, tuple[Verdict, Severity | None]] = {
    "holds": (Verdict.HOLDS, None),
    "minor": (Verdict.MINOR, Severity.MINOR),
    "fails": (Verdict.FAILS, Severity.CLEAR),
    "fused": (Verdict.FAILS, Severity.FUSED),
    "lost": (Verdict.FAILS, Severity.LOST),
    "": (Verdict.NOT_MEASURABLE, None),
    "?": (Verdict.NOT_MEASURABLE, None),
}


class UnreadableTable(ValueError):
    """It is no table of seeds by epochs; the message says where and what to write."""


def read_hand_table(text: str) -> OutcomeTable:
    """Read a CSV table such as ``seed,140,144`` and ``7,holds,minor``.

    Args:
        text: a first line with ``seed`` and the epochs, then a line for each seed; words are those of :data:`WORDS`.

    Raises:
        UnreadableTable: an epoch or a seed is no whole number or there twice, a word is unknown, or a field is missing.
    """
    rows = [[field.strip() for field in row] for row in csv.reader(text.splitlines()) if any(row)]
    if len(rows) < 2 or len(rows[0]) < 2:
        raise UnreadableTable("it needs a first line with seed and the epochs, such as seed,140,144, and a line a seed")
    epochs = [_number(field, 1, "epoch") for field in rows[0][1:]]
    seeds = [_number(row[0], number, "seed") for number, row in enumerate(rows[1:], start=2)]
    for name, values in (("epoch", epochs), ("seed", seeds)):
        twice = {value for value in values if values.count(value) > 1}
        if twice:
            raise UnreadableTable(f"{name} {min(twice)} is there twice")
    outcomes = []
    for number, (seed, row) in enumerate(zip(seeds, rows[1:], strict=True), start=2):
        if len(row) != len(rows[0]):
            raise UnreadableTable(f"line {number} has {len(row) - 1} fields for {len(epochs)} epochs")
        for epoch, field in zip(epochs, row[1:], strict=True):
            if field.lower() not in WORDS:
                words = ", ".join(word for word in WORDS if word)
                raise UnreadableTable(f"line {number} says {field!r} at epoch {epoch}; the words are {words}")
            finding = FindingRow(CHECK, None, *WORDS[field.lower()])
            outcomes.append(CellOutcome(RUN, epoch, SCENARIO, seed, False, (finding,)))
    return OutcomeTable.from_outcomes(outcomes)


def _number(field: str, line: int, what: str) -> int:
    try:
        return int(field)
    except ValueError:
        raise UnreadableTable(f"line {line}: {field!r} is no {what}; it is a whole number") from None
