"""Arms' ends that the hand network suspects, lettered on a picture so that each can be labelled for itself.

Such a file of labels has the columns of :data:`benchmarks.labelling.labels.FAULTS` with ``ends`` in place of the hands:
for each letter, and for each end without one as ``@x,y`` in pixels of the picture, whose it is and its grade, as in
``a=L:holds b=none @165,140=R:lost``.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from string import ascii_lowercase

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.labelling.cells import LabelledCell
from benchmarks.labelling.labels import BROKEN, FAULTS, SIDES, UNSURE, LabelFault
from detectors import DetectorSet
from service.suites import Suite

TICKS = 32
"""Pixels of the picture between two marks on its rim."""


@dataclass(frozen=True)
class End:
    """A suspected end of an arm: its letter on the sheet, and its box in pixels of the picture."""

    letter: str
    box: tuple[float, float, float, float]

    @property
    def point(self) -> tuple[float, float]:
        """The middle of the box."""
        x0, y0, x1, y1 = self.box
        return (x0 + x1) / 2, (y0 + y1) / 2


def suspect(
    cells: Sequence[LabelledCell], pictures: Path, detectors: DetectorSet, suite: Suite, batch: int = 8
) -> Iterator[tuple[LabelledCell, list[End]]]:
    """Every end that has any heat at all, hottest first; the network's opinion of it is left out."""
    for start in range(0, len(cells), batch):
        part = cells[start : start + batch]
        images = [np.asarray(Image.open(pictures / cell.name).convert("RGB")) for cell in part]
        asked = [suite.expectation(cell.scenario) for cell in part]
        for cell, context in zip(part, detectors.look(images, asked), strict=True):
            boxes = [tuple(round(v / context.factor, 1) for v in hand.box) for hand in context.hands]
            yield cell, [End(letter, box) for letter, box in zip(ascii_lowercase, boxes, strict=False)]  # type: ignore[arg-type]


def write_ends(path: Path, ends: Iterator[tuple[LabelledCell, list[End]]]) -> int:
    """Write one JSON object a picture; returns how many ends there are."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for cell, found in ends:
            file.write(json.dumps({"number": cell.number, "ends": [asdict(end) for end in found]}) + "\n")
            count += len(found)
    return count


def read_ends(path: Path) -> dict[int, list[End]]:
    """Read what :func:`write_ends` wrote, by picture number."""
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {row["number"]: [End(end["letter"], tuple(end["box"])) for end in row["ends"]] for row in rows}


GRADES = ("holds", "minor", "fused", "lost", "hidden", UNSURE)
_ENTRY = re.compile(rf"(?:([a-z])|@(\d{{1,3}}),(\d{{1,3}}))=(?:none|\?|([LR]):({'|'.join(map(re.escape, GRADES))}))")
# The worst grade of a person's hands, and what is said where none can be judged.
_WORST = (*reversed(BROKEN), "minor", "holds", "hidden")


@dataclass(frozen=True)
class LabelledEnd:
    """One end of an arm as labelled.

    Attributes:
        point: its middle, in pixels of the picture.
        box: what was suspected there, or ``None`` for an end that nobody suspected.
        side: whose it is, one of :data:`benchmarks.labelling.labels.SIDES`; ``None`` where that is not sure.
        grade: one of :data:`GRADES`.
    """

    point: tuple[float, float]
    box: tuple[float, float, float, float] | None
    side: str | None
    grade: str


def read_labelled_ends(
    path: Path, suspected: Mapping[int, Sequence[End]]
) -> dict[int, tuple[dict[str, str], list[LabelledEnd]]]:
    """For each picture the answers to :data:`FAULTS` (hands by their worst end), and the ends without those of "none".

    Raises:
        LabelFault: a column is missing, an answer is none of those allowed, a letter is missing or too many.
    """
    result: dict[int, tuple[dict[str, str], list[LabelledEnd]]] = {}
    asked = [question for question in FAULTS if not question.endswith("_hands")]
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            where = f"{path.name}, picture {row.get('number')}"
            for question in asked:
                if row.get(question) not in (*FAULTS[question], UNSURE):
                    raise LabelFault(f"{where}, {question}: {row.get(question)!r} is none of those allowed")
            number = int(row["number"])
            ends = _ends(row["ends"] or "", suspected.get(number, ()), where)
            faults = {question: row[question] for question in asked}
            for side in SIDES:
                faults[f"{side}_hands"] = _hands(ends, side, faults)
            result[number] = faults, ends
    return result


def _ends(text: str, suspected: Sequence[End], where: str) -> list[LabelledEnd]:
    boxes, said, ends = {end.letter: end for end in suspected}, set(), []
    for entry in text.split():
        found = _ENTRY.fullmatch(entry)
        if found is None:
            raise LabelFault(f"{where}, ends: {entry!r} cannot be read")
        letter, x, y, side, grade = found.groups()
        if letter:
            if letter not in boxes or letter in said:
                raise LabelFault(f"{where}, ends: {letter} is there twice or not marked on the picture")
            said.add(letter)
        if entry.endswith("=none"):
            continue
        box = boxes[letter].box if letter else None
        point = boxes[letter].point if letter else (float(x), float(y))
        ends.append(LabelledEnd(point, box, {"L": "left", "R": "right"}.get(side), grade or UNSURE))
    if said != set(boxes):
        raise LabelFault(f"{where}, ends: no word about {', '.join(sorted(set(boxes) - said))}")
    return ends


def _hands(ends: Sequence[LabelledEnd], side: str, faults: Mapping[str, str]) -> str:
    """One person's hands by their worst end; unsure where an unsure end could change that."""
    if faults["people"] == "0" or (side == "right" and faults["people"] == "1"):
        return "absent"
    grades = [end.grade for end in ends if end.side in (side, None)]
    worst = next((grade for grade in _WORST if grade in grades), "hidden")
    return UNSURE if UNSURE in grades and worst != _WORST[0] else worst


def mark(sheet: Image.Image, corner: tuple[int, int], scale: float, side: int, ends: Sequence[End]) -> None:
    """Draw brackets with letters round the ends, and ticks along the rim; what is inside a bracket stays as it is."""
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(18)
    left, top = corner
    for end in ends:
        x0, y0, x1, y1 = (v * scale for v in end.box)
        reach = max(5.0, 0.25 * (x1 - x0))
        for x, dx in ((x0 - 3, reach), (x1 + 3, -reach)):
            for y, dy in ((y0 - 3, reach), (y1 + 3, -reach)):
                at = left + x, top + y
                pen.line([(at[0] + dx, at[1]), at, (at[0], at[1] + dy)], fill="magenta", width=2)
        where = (left + min(max(x1 + 5, 2), side - 14), top + min(max(y0 - 16, 2), side - 20))
        pen.text(where, end.letter, fill="magenta", font=font, stroke_width=2, stroke_fill="white")
    for step in range(TICKS, round(side / scale), TICKS):
        far = step * scale
        pen.line([(left + far, top), (left + far, top + 7)], fill="black", width=2)
        pen.line([(left, top + far), (left + 7, top + far)], fill="black", width=2)
