"""Arms' ends that the hand network suspects, numbered on a picture so that each can be labelled for itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from string import ascii_lowercase

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.labelling.cells import LabelledCell
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
        at = step * scale
        pen.line([(left + at, top), (left + at, top + 7)], fill="black", width=2)
        pen.line([(left, top + at), (left + 7, top + at)], fill="black", width=2)
