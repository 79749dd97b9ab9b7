"""What is measured about one image without being right or wrong: the ground for stability over seeds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from detectors.findings import Finding


@dataclass(frozen=True)
class Measure:
    """One measure of one image.

    Attributes:
        name: what was measured, such as ``hairstyle`` or ``sharpness_people``.
        character: name of the character, or ``None`` for a measure of the whole image.
        value: plain JSON: a number, or words together with a short vector.
    """

    name: str
    character: str | None
    value: Any

    def to_json(self) -> dict[str, Any]:
        """A dictionary of plain JSON values; :meth:`from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Measure:
        """Build a measure from what :meth:`to_json` returned."""
        return cls(data["name"], data["character"], data["value"])


@dataclass(frozen=True)
class Examination:
    """Everything that was said about one image: its verdicts and its measures."""

    findings: tuple[Finding, ...]
    measures: tuple[Measure, ...] = ()
