"""The same pictures in other shapes, and counting verdicts that change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures

from detectors import Finding, Verdict
from service.rankings import wilson

Image = NDArray[np.uint8]
Verdicts = dict[tuple[str, str | None], Verdict]


def as_jpeg(quality: int) -> Callable[[Image], Image]:
    """Saving as JPEG and reading again, with Pillow's own chroma subsampling."""

    def save(image: Image) -> Image:
        buffer = BytesIO()
        Pictures.fromarray(image).save(buffer, "JPEG", quality=quality)
        return np.asarray(Pictures.open(buffer).convert("RGB"))

    return save


def resized(factor: float) -> Callable[[Image], Image]:
    """Resizing as picture viewers do: by area when it becomes smaller, bicubic when it becomes larger."""

    def resize(image: Image) -> Image:
        size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
        mode = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(image, size, interpolation=mode), np.uint8)

    return resize


CHANGES: dict[str, Callable[[Image], Image]] = {
    "jpeg 90": as_jpeg(90),
    "jpeg 75": as_jpeg(75),
    "half the size": resized(0.5),
    "twice the size": resized(2.0),
}


def verdicts_of(findings: Sequence[Finding]) -> Verdicts:
    """The verdict of each check on each character."""
    return {(one.check, one.character): one.verdict for one in findings}


@dataclass
class Flips:
    """Verdicts that stayed and changed, by check.

    ``seen`` counts verdicts, ``changed`` those that are another one, ``crossed`` those of them that went from ``fails``
    to ``holds`` or ``minor``, or back: only these change a failure rate.
    """

    seen: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    crossed: Counter[str] = field(default_factory=Counter)

    def add(self, before: Verdicts, after: Verdicts) -> None:
        """Count one picture; a finding that only one side has counts as changed."""
        for place in dict.fromkeys((*before, *after)):
            one, other = before.get(place), after.get(place)
            for check in (place[0], "all"):
                self.seen[check] += 1
                self.changed[check] += one is not other
                self.crossed[check] += _crossed(one, other)

    def summary(self) -> dict[str, Any]:
        """Shares with 95 % Wilson intervals, by check and for all of them."""
        return {
            check: {
                "verdicts": n,
                "changed": self.changed[check],
                "share": self.changed[check] / n,
                "interval": wilson(self.changed[check], n),
                "crossed": self.crossed[check],
            }
            for check, n in sorted(self.seen.items(), key=lambda item: (item[0] != "all", item[0]))
        }


def _crossed(one: Verdict | None, other: Verdict | None) -> bool:
    sides: Mapping[Verdict | None, str] = {Verdict.FAILS: "fails", Verdict.HOLDS: "holds", Verdict.MINOR: "holds"}
    return one in sides and other in sides and sides[one] != sides[other]
