"""Do two bodies stay two where they touch?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from detectors.checks.base import Check
from detectors.context import Context
from detectors.findings import Finding, Severity, Verdict


@dataclass(frozen=True)
class Fusion(Check):
    """Fails when bodies merge at the contact, or one body carries two heads."""

    name: ClassVar[str] = "fusion"
    version: ClassVar[str] = "2"
    networks: ClassVar[tuple[str, ...]] = ("people", "heads", "likeness", "bodies", "contact")

    def detect(self, context: Context) -> list[Finding]:
        """One finding for the image."""
        evidence: dict[str, Any] = {
            "people": len(context.people),
            "person_boxes": [context.box(person.box) for person in context.people],
        }
        if len(context.expectation.cast) < 2 or not context.expectation.contact:
            return [self.not_measurable("the bodies are not meant to touch", **evidence)]
        heads = len(context.loose_heads) + sum(person.head is not None for person in context.people)
        if context.loose_heads and len(context.people) < len(context.expectation.cast) <= heads:
            evidence["head_box"] = context.box(context.loose_heads[0])
            return [self._fails(f"{heads} heads on {len(context.people)} bodies", evidence, None)]
        if context.contact is None or len(context.people) < 2:
            return [self.not_measurable("there are no two people who could touch", **evidence)]
        fused = context.contact.fused
        evidence |= {"contact_box": context.box(context.contact.window), "odds": round(fused, 3)}
        if fused >= self.thresholds.fused_bodies:
            return [self._fails("the bodies merge where they touch", evidence, fused)]
        return [self.finding(Verdict.HOLDS, "the bodies stay apart", score=fused, evidence=evidence)]

    def _fails(self, reason: str, evidence: dict[str, Any], score: float | None) -> Finding:
        return self.finding(Verdict.FAILS, reason, severity=Severity.FUSED, score=score, evidence=evidence)
