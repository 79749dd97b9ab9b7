"""What a detector says about one image: a verdict with its evidence, never a zero that means "unknown"."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

UNANSWERED = "unanswered"
"""Stands for the detector where a profile has none for a check: such a check says nothing about an image."""


MISSING_BOX = "missing_box"
"""Key of the evidence that something expected is not in the picture: the box where it was expected."""


class Verdict(StrEnum):
    """The four answers a check can give."""

    HOLDS = "holds"
    MINOR = "minor"
    FAILS = "fails"
    NOT_MEASURABLE = "not_measurable"


class Severity(StrEnum):
    """How bad a finding that does not hold is. Order, worst first: lost, fused, clear, minor."""

    LOST = "lost"
    FUSED = "fused"
    CLEAR = "clear"
    MINOR = "minor"


@dataclass(frozen=True)
class Finding:
    """One check's verdict on one image, for one character where the check is about a character.

    Attributes:
        check: name of the check, such as ``ahoge_bleed``.
        verdict: the answer.
        detector: name of the detector that answered.
        version: the detector's version; it is raised by hand when the code changes the answer.
        character: name of the character, or ``None`` for a check on the whole image.
        severity: set when the verdict is ``minor`` or ``fails``.
        score: the detector's own confidence that the check fails, 0..1; ``None`` if it has none.
        evidence: JSON-ready facts behind the verdict; boxes are ``[x0, y0, x1, y1]`` in pixels.
        reason: one short sentence for people, always set for ``not_measurable``.
    """

    check: str
    verdict: Verdict
    detector: str
    version: str
    character: str | None = None
    severity: Severity | None = None
    score: float | None = None
    evidence: dict[str, Any] = field(default_factory=dict)
    reason: str = ""

    @property
    def by_absence(self) -> bool:
        """Whether it fails because something expected is not in the picture, and not because of what is."""
        return self.verdict is Verdict.FAILS and MISSING_BOX in self.evidence

    def to_json(self) -> dict[str, Any]:
        """A dictionary of plain JSON values; :meth:`from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Finding:
        """Build a finding from what :meth:`to_json` returned."""
        severity = data.get("severity")
        return cls(
            **{**data, "verdict": Verdict(data["verdict"]), "severity": Severity(severity) if severity else None}
        )
