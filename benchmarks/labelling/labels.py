"""Labels as data: what a person answered about each picture, read with care and compared between rounds."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from detectors.vocabulary import AHOGE_STATES, EYE_COLORS, HAIR_COLORS, HAIR_LENGTHS
from service.rankings import wilson

UNSURE = "?"
SIDES = ("left", "right")
BROKEN = ("fused", "lost")
"""Grades of hands that fail."""
HAIR = (*HAIR_COLORS, "absent")
EYES = (*EYE_COLORS, "absent")
# What the two wear by themselves and what a scenario asks for; "other" is any other garment or colour.
OUTFITS = ("red blazer", "blue vest", "green dress", "other", "absent")
HANDS = ("holds", "minor", "fused", "lost", "hidden", "absent")
PEOPLE: dict[str, tuple[str, ...]] = {
    # How many people there are, whoever they are; a second head on one body counts as a person of its own.
    "people": ("0", "1", "2", "3", "4"),
    # What came out, whatever was asked for.
    "pose": ("solo", "apart", "together", "hug", "piggyback", "princess_carry", "lap_sit", "other"),
    # Of the person whose head is further left, and of the other one. One alone counts as left. Position, not name,
    # because a picture of two look-alikes shows hair and ahoge plainly, but not who is who.
    "left_hair": HAIR,
    "left_length": (*HAIR_LENGTHS, "absent"),
    "left_ahoge": (*AHOGE_STATES, "absent"),
    "left_eyes": EYES,
    "left_outfit": OUTFITS,
    "right_hair": HAIR,
    "right_length": (*HAIR_LENGTHS, "absent"),
    "right_ahoge": (*AHOGE_STATES, "absent"),
    "right_eyes": EYES,
    "right_outfit": OUTFITS,
    # Which of them is Kei, by everything but the ahoge.
    "kei": ("left", "right", "absent"),
}
"""What is asked about each picture and each person, and the answers; also :data:`UNSURE`."""
BODIES: dict[str, tuple[str, ...]] = {
    # Is there a stretch of contact, longer than a hand is wide, where nobody can say which body is whose; a limb that
    # grows out of the wrong body; or one torso under two heads? Smudged lines that can be followed are "no".
    "fusion": ("no", "yes"),
    # Is somebody there as a head alone, though nothing would cover her body?
    "body": ("whole", "missing"),
    # The worst of each one's hands that count: its place can be seen, no edge cuts it, and it is 14 of 256 pixels wide.
    # holds: three fingers to be told apart; minor: a hand, slightly off; fused: no two fingers to be told apart, or an
    # outline that melts into something else; lost: an arm that ends in the open without one; hidden: none counts.
    "left_hands": HANDS,
    "right_hands": HANDS,
}
"""What is asked about bodies and hands, at a later look of its own, after a first way of asking found no agreement."""
LIMBS = ("whole", "extra", "missing", "absent")
FAULTS: dict[str, tuple[str, ...]] = {
    **{question: PEOPLE[question] for question in ("people", "pose", "kei")},
    **BODIES,
    # whole: no more and no fewer arms and legs than can be hers, each where it belongs; extra: one too many, or one
    # that grows from the wrong place; missing: none where nothing would cover it. An arm that is not there at all is
    # missing here and no lost hand above: a lost hand needs its arm.
    "left_limbs": LIMBS,
    "right_limbs": LIMBS,
}
"""All that is asked about the broken set, in one look; hair and clothes are not."""
CONTACT = {question: answers for question, answers in FAULTS.items() if not question.endswith("_hands")}
"""What is asked about pictures that contact is learnt from: hands are not looked at."""
SHEETS = (PEOPLE, BODIES, FAULTS, CONTACT)
QUESTIONS = PEOPLE | BODIES | FAULTS
Row = Mapping[str, str]


class LabelFault(ValueError):
    """A file of labels says something it cannot say; the message names file, line and column."""


def read_labels(path: Path) -> dict[int, dict[str, str]]:
    """Answers by picture number, to the questions of that one of :data:`SHEETS` that the file has.

    Raises:
        LabelFault: a column is missing, an answer is none of those allowed, or a picture is there twice.
    """
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        columns = set(reader.fieldnames or ())
        questions = max(SHEETS, key=lambda sheet: (len(sheet.keys() & columns), -len(sheet)))
        missing = {"number", *questions} - columns
        if missing:
            raise LabelFault(f"{path.name}: no column {', '.join(sorted(missing))}")
        labels: dict[int, dict[str, str]] = {}
        for row in reader:
            where = f"{path.name}, line {reader.line_num}"
            if not (row["number"] or "").isdigit():
                raise LabelFault(f"{where}: {row['number']!r} is no picture number")
            number = int(row["number"])
            if number in labels:
                raise LabelFault(f"{where}: picture {number} is there twice")
            for question, allowed in questions.items():
                if row[question] not in (*allowed, UNSURE):
                    raise LabelFault(f"{where}, {question}: {row[question]!r} is none of {', '.join(allowed)} or ?")
            labels[number] = {question: row[question] for question in questions}
    return labels


def joined(files: Sequence[Mapping[int, Row]]) -> dict[int, dict[str, str]]:
    """Several files' answers together, of the pictures that all of them have."""
    shared = set.intersection(*(set(file) for file in files))
    return {number: {q: a for file in files for q, a in file[number].items()} for number in sorted(shared)}


def completed(row: Row) -> dict[str, str]:
    """The row with an answer to every question: what was not asked is unsure, and of one alone nobody is on the right.

    >>> completed({"people": "1"})["right_hair"], completed({"people": "2"})["right_hair"]
    ('absent', '?')
    """
    absent = {q for q, answers in QUESTIONS.items() if q.startswith("right_") and "absent" in answers}
    alone = row.get("people") == "1"
    return {q: row.get(q, "absent" if alone and q in absent else UNSURE) for q in QUESTIONS}


@dataclass(frozen=True)
class Agreement:
    """How two rounds answered one question.

    Attributes:
        question: the question.
        n: pictures that both rounds are sure of.
        same: of these, answered alike.
        interval: 95 % Wilson interval of same / n; ``None`` if n is 0.
        kappa: Cohen's kappa (1960); ``None`` where chance alone would agree on everything.
        unsure: pictures on which at least one round was not sure.
    """

    question: str
    n: int
    same: int
    interval: tuple[float, float] | None
    kappa: float | None
    unsure: int


def agreement(first: Mapping[int, Row], second: Mapping[int, Row]) -> list[Agreement]:
    """Compare two rounds on the pictures and questions that both have.

    Hands are compared as they are graded and, as ``hands_fail``, in whether a hand that both see is fused or lost.
    """
    shared = sorted(first.keys() & second.keys())
    pairs = {
        question: [(first[n][question], second[n][question]) for n in shared]
        for question in QUESTIONS
        if all(question in one[n] for one in (first, second) for n in shared)
    }
    seen = [pair for side in SIDES for pair in pairs.get(f"{side}_hands", ()) if not set(pair) & {"hidden", "absent"}]
    if seen:
        pairs["hands_fail"] = [(_broken(one), _broken(other)) for one, other in seen]
    return [_agreement(question, answers) for question, answers in pairs.items()]


def _broken(grade: str) -> str:
    """Whether a hand fails, as an answer."""
    return UNSURE if grade == UNSURE else str(grade in BROKEN)


def _agreement(question: str, pairs: Sequence[tuple[str, str]]) -> Agreement:
    sure = [pair for pair in pairs if UNSURE not in pair]
    same, n = sum(one == other for one, other in sure), len(sure)
    return Agreement(question, n, same, wilson(same, n), _kappa(sure), len(pairs) - n)


def _kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """(observed - expected) / (1 - expected), with the expected agreement of independent rounds."""
    if not pairs:
        return None
    n = len(pairs)
    one, other = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    expected = sum(one[answer] * other[answer] for answer in one) / n**2
    return None if expected == 1 else (sum(a == b for a, b in pairs) / n - expected) / (1 - expected)
