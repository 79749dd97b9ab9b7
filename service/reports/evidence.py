"""Evidence to draw over a picture: every box that a finding carries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from detectors.findings import Finding

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class EvidenceBox:
    """A box ``(x0, y0, x1, y1)`` in pixels, of the finding with that number in its image."""

    finding: int
    box: Box


def evidence_boxes(findings: Sequence[Finding]) -> tuple[EvidenceBox, ...]:
    """Every box in the findings' evidence: values under a key that ends in ``box`` or ``boxes``, at any depth."""
    found = [
        EvidenceBox(number, box)
        for number, finding in enumerate(findings)
        for box in dict.fromkeys(_boxes(finding.evidence))
    ]
    return tuple(found)


def _boxes(value: Any, key: str = "") -> Iterator[Box]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _boxes(item, str(name))
    elif isinstance(value, list | tuple):
        box = _as_box(value) if key.endswith(("box", "boxes")) else None
        if box is not None:
            yield box
        else:
            for item in value:
                yield from _boxes(item, key)


def _as_box(value: Sequence[Any]) -> Box | None:
    if len(value) != 4 or not all(isinstance(item, int | float) and not isinstance(item, bool) for item in value):
        return None
    x0, y0, x1, y1 = (float(item) for item in value)
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None
