"""Identity against reference pictures, by a model that says how different two pictures of a character are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from detectors.checks.base import Check
from detectors.context import Context
from detectors.findings import Finding, Severity, Verdict
from detectors.onnx.ccip import SAME


@dataclass(frozen=True)
class ReferenceIdentity(Check):
    """Fails when somebody is nearer to another character's references than to her own."""

    name: ClassVar[str] = "identity"
    version: ClassVar[str] = "references 1"
    networks: ClassVar[tuple[str, ...]] = ()
    measure: ClassVar[str] = "CLIP distance"
    # Difference up to which she is the same, and from which she is another; ``None`` where nobody measured any.
    same: ClassVar[float | None] = None
    other: ClassVar[float | None] = None

    def detect(self, context: Context) -> list[Finding]:
        """One finding for each character of the cast."""
        return [self._judge(context, character.name) for character in context.expectation.cast]

    def _judge(self, context: Context, name: str) -> Finding:
        person = context.person_of(name)
        evidence: dict[str, Any] = context.assignment.facts(name)
        if person is None:
            return self.not_measurable(f"nobody in the picture can be {name}", name, **evidence)
        evidence["person_box"] = context.box(person.box)
        if name not in person.apart:
            return self.not_measurable(f"the suite has no reference pictures of {name}", name, **evidence)
        evidence |= {"measure": self.measure, "apart": {who: round(d, 4) for who, d in person.apart.items()}}
        own = person.apart[name]
        nearest = min(person.apart, key=lambda who: person.apart[who])
        if nearest != name:
            reason = f"{name} looks more like {nearest} than like her own reference pictures"
            return self._answer(Verdict.FAILS, reason, name, evidence, own, Severity.CLEAR)
        if self.same is None or self.other is None:
            if len(person.apart) < 2:
                reason = f"nobody measured how near {name} must be, and there is nobody to compare her with"
                return self.not_measurable(reason, name, **evidence)
            return self._answer(Verdict.HOLDS, f"{name} is nearest to her own reference pictures", name, evidence, own)
        if own <= self.same:
            return self._answer(Verdict.HOLDS, f"{name} looks like her reference pictures", name, evidence, own)
        if own < self.other:
            reason = f"{name} has drifted from her reference pictures"
            return self._answer(Verdict.MINOR, reason, name, evidence, own, Severity.MINOR)
        reason = f"{name} does not look like her reference pictures"
        return self._answer(Verdict.FAILS, reason, name, evidence, own, Severity.CLEAR)

    def _answer(
        self,
        verdict: Verdict,
        reason: str,
        name: str,
        evidence: dict[str, Any],
        score: float,
        severity: Severity | None = None,
    ) -> Finding:
        return self.finding(verdict, reason, character=name, severity=severity, score=score, evidence=evidence)


@dataclass(frozen=True)
class CcipIdentity(ReferenceIdentity):
    """The same with CCIP: the published threshold says who is the same; its examples of others lie near 0.4."""

    networks: ClassVar[tuple[str, ...]] = ("anime_person", "ccip_feature", "ccip_metric")
    measure: ClassVar[str] = "CCIP difference"
    same: ClassVar[float | None] = SAME
    other: ClassVar[float | None] = 0.25
