"""Which pieces of a picture are worth enlarging: heads, hands, the place of contact, by the boxes in findings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from detectors import Finding

Part = Literal["head", "hand", "contact", "person"]
PARTS: tuple[Part, ...] = get_args(Part)
Box = tuple[float, float, float, float]
Pixels = tuple[int, int, int, int]

_ROOM = {"head": 1.72, "hand": 2.2, "contact": 1.1, "person": 1.08}
"""How much wider than the box its piece is; a head needs room for a strand that stands up."""
_STRAND_ROOM = 0.14
_PART_OF_KEY = {"head": "head", "hand": "hand", "contact": "contact", "person": "person", "stranger": "person"}


@dataclass(frozen=True)
class Piece:
    """A square piece of a picture, in its pixels, as ``(x0, y0, x1, y1)``.

    ``checks`` looked at it. Each check decides who is who without the trait that it judges, so they may look for one
    character in different places.
    """

    part: Part
    character: str | None
    box: Pixels
    checks: tuple[str, ...] = ()


def pieces_of(findings: Iterable[Finding], width: int, height: int) -> list[Piece]:
    """Every piece that a box in the findings' evidence points to, each once, heads first.

    Args:
        findings: of one picture.
        width: of the picture, pixels.
        height: of the picture, pixels.
    """
    found: dict[tuple[Part, str | None, Pixels], dict[str, None]] = {}
    for finding in findings:
        for key, box in named_boxes(finding.evidence):
            part = part_of(key)
            if part is not None:
                square = _square(part, box, width, height)
                found.setdefault((part, finding.character, square), {})[finding.check] = None
    pieces = [Piece(*place, tuple(checks)) for place, checks in found.items()]
    return sorted(pieces, key=lambda piece: PARTS.index(piece.part))


def part_of(key: str) -> Part | None:
    """The part that an evidence key such as ``other_hand_1_box`` speaks of.

    >>> part_of("other_hand_1_box"), part_of("strand_box")
    ('hand', None)
    """
    for word in re.split(r"[_\d]+", key):
        if word in _PART_OF_KEY:
            part: Any = _PART_OF_KEY[word]
            return part
    return None


def named_boxes(evidence: Any, key: str = "") -> Iterator[tuple[str, Box]]:
    """Every box in evidence with the key it stands under: values of keys that end in ``box`` or ``boxes``."""
    if isinstance(evidence, dict):
        for name, item in evidence.items():
            yield from named_boxes(item, str(name))
    elif isinstance(evidence, list | tuple):
        box = _as_box(evidence) if key.endswith(("box", "boxes")) else None
        if box is not None:
            yield key, box
        else:
            for item in evidence:
                yield from named_boxes(item, key)


def _as_box(value: Sequence[Any]) -> Box | None:
    if len(value) != 4 or not all(isinstance(item, int | float) and not isinstance(item, bool) for item in value):
        return None
    x0, y0, x1, y1 = (float(item) for item in value)
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def _square(part: str, box: Box, width: int, height: int) -> Pixels:
    """A square around a box with room about it, moved and cut so that it lies inside the picture."""
    x0, y0, x1, y1 = box
    side = min(_ROOM[part] * max(x1 - x0, y1 - y0), width, height)
    middle_y = (y0 + y1) / 2 - (_STRAND_ROOM * (y1 - y0) if part == "head" else 0.0)
    left = min(max((x0 + x1) / 2 - side / 2, 0), width - side)
    top = min(max(middle_y - side / 2, 0), height - side)
    size = max(1, round(side))
    return round(left), round(top), min(round(left) + size, width), min(round(top) + size, height)
