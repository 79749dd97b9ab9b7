"""All that ranking needs of an image's findings, in one short text: ``cast::h ahoge_bleed:Kei:c hands:Kei:l``.

A part per finding: check, character (empty for the whole image), and a letter for verdict and severity; ``a`` is lost,
because something expected is not there. Check and character names hold neither colons nor spaces.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from detectors import Finding, Verdict
from service.rankings import NOBODY, FindingRow, Grade, grade_of
from service.rankings.outcomes import judgement_of

Ints = NDArray[np.int64]

_LETTERS = {
    Grade.HOLDS: "h",
    Grade.MINOR: "m",
    Grade.NOT_MEASURABLE: "n",
    Grade.CLEAR: "c",
    Grade.FUSED: "f",
    Grade.LOST: "l",
}
_ABSENT = "a"
_GRADES = {letter: grade for grade, letter in _LETTERS.items()} | {_ABSENT: Grade.LOST}


def pack(rows: Iterable[FindingRow]) -> str:
    """Findings as text.

    >>> from detectors import Verdict
    >>> pack([FindingRow("cast", None, Verdict.HOLDS), FindingRow("hands", "Kei", Verdict.FAILS)])
    'cast::h hands:Kei:c'
    """
    return " ".join(f"{row.check}:{row.character or ''}:{_letter(row)}" for row in rows)


def _letter(row: FindingRow) -> str:
    grade = grade_of(row.verdict, row.severity)
    return _ABSENT if row.absent and grade is Grade.LOST else _LETTERS[grade]


def brief_findings(text: str | None) -> tuple[Finding, ...]:
    """What an image's text says, as findings without detector, score, evidence and reason; equal ones are shared.

    >>> [(each.check, each.character, each.severity) for each in brief_findings("cast::h hands:Kei:l")]
    [('cast', None, None), ('hands', 'Kei', <Severity.LOST: 'lost'>)]
    """
    return tuple(map(_finding, text.split())) if text else ()


@lru_cache(maxsize=4096)
def _finding(part: str) -> Finding:
    check, character, letter = part.split(":")
    judgement = judgement_of(_GRADES[letter])
    return Finding(check, Verdict(judgement.state), "", "", character or None, judgement.severity)


@dataclass(frozen=True)
class Unpacked:
    """The findings of many images as columns.

    Attributes:
        checks: names by code.
        characters: names by code.
        image: shape ``(findings,)``, the row of the image.
        check: shape ``(findings,)``, codes.
        character: shape ``(findings,)``, codes, or -1 for the whole image.
        grade: shape ``(findings,)``, :class:`service.rankings.Grade`.
        absent: shape ``(findings,)``, whether it rests on something expected not being there.
    """

    checks: tuple[str, ...]
    characters: tuple[str, ...]
    image: Ints
    check: Ints
    character: Ints
    grade: Ints
    absent: NDArray[np.bool_]


def unpack(texts: Sequence[str | None]) -> Unpacked:
    """Take the texts of images apart, each different text and each different part only once.

    Args:
        texts: one per image; ``None`` where there are no findings.
    """
    distinct: dict[str, int] = {}
    code = np.array([distinct.setdefault(text or "", len(distinct)) for text in texts], dtype=np.int64)
    checks: dict[str, int] = {}
    characters: dict[str, int] = {}
    parts: dict[str, int] = {}
    found = [[parts.setdefault(part, len(parts)) for part in text.split()] for text in distinct]
    columns = np.array([_codes(part, checks, characters) for part in parts], dtype=np.int64).reshape(-1, 4)
    sizes = np.array([len(each) for each in found], dtype=np.int64)
    flat = np.array([part for each in found for part in each], dtype=np.int64)
    image, place = _spread(sizes[code], (np.cumsum(sizes) - sizes)[code])
    rows = columns[flat[place]]
    return Unpacked(tuple(checks), tuple(characters), image, rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3] == 1)


def _codes(part: str, checks: dict[str, int], characters: dict[str, int]) -> tuple[int, int, int, int]:
    check, character, letter = part.split(":")
    person = characters.setdefault(character, len(characters)) if character else NOBODY
    return checks.setdefault(check, len(checks)), person, int(_GRADES[letter]), int(letter == _ABSENT)


def _spread(sizes: Ints, starts: Ints) -> tuple[Ints, Ints]:
    """For each image its row as often as it has findings, and the places of those findings."""
    image = np.repeat(np.arange(len(sizes)), sizes)
    before = np.cumsum(sizes) - sizes
    return image, np.arange(len(image)) + (starts - before)[image]
