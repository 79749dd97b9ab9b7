"""What every check has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from detectors.context import Context
from detectors.findings import Finding, Severity, Verdict
from detectors.thresholds import Thresholds


@dataclass(frozen=True)
class Check(ABC):
    """A detector: its fields are its settings, and what it says depends on them and on the context alone.

    Attributes:
        name: the check it answers.
        version: raised by hand when the code changes an answer.
        networks: names of the weight files its answers depend on.
    """

    thresholds: Thresholds

    name: ClassVar[str]
    version: ClassVar[str]
    networks: ClassVar[tuple[str, ...]]

    @abstractmethod
    def detect(self, context: Context) -> list[Finding]:
        """One finding for each character the check is about, or one for the whole image."""

    def finding(
        self,
        verdict: Verdict,
        reason: str,
        *,
        character: str | None = None,
        severity: Severity | None = None,
        score: float | None = None,
        evidence: dict[str, Any] | None = None,
    ) -> Finding:
        """A finding of this check; ``score`` is rounded to four digits."""
        return Finding(
            check=self.name,
            verdict=verdict,
            detector=self.name,
            version=self.version,
            character=character,
            severity=severity,
            score=None if score is None else round(min(max(score, 0.0), 1.0), 4),
            evidence=evidence or {},
            reason=reason,
        )

    def not_measurable(self, reason: str, character: str | None = None, **evidence: Any) -> Finding:
        """A finding that says why there is no verdict."""
        return self.finding(Verdict.NOT_MEASURABLE, reason, character=character, evidence=evidence)
