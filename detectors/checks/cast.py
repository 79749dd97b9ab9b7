"""Are exactly the asked people there?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from detectors.checks.base import Check
from detectors.context import Context
from detectors.findings import Finding, Severity, Verdict

# With so many faint heads beside those that were found, somebody may have been overlooked.
_CROWD = 3


@dataclass(frozen=True)
class Cast(Check):
    """Fails when there are too many or too few people, or one character twice and another not at all.

    Where bystanders are allowed, more people than the cast are no fault.
    """

    name: ClassVar[str] = "cast"
    version: ClassVar[str] = "4"
    networks: ClassVar[tuple[str, ...]] = ("people", "heads", "likeness", "bodies")

    def detect(self, context: Context) -> list[Finding]:
        """One finding for the image."""
        wanted, people = len(context.expectation.cast), context.people
        evidence: dict[str, Any] = {
            "wanted": wanted,
            "people": len(people),
            "assignment": context.assignment.kind,
            "person_boxes": [context.box(p.box) for p in people],
            "scores": [round(p.score, 3) for p in people],
        }
        if len(people) > wanted and context.expectation.bystanders:
            evidence["bystanders"] = len(people) - wanted
        elif len(people) > wanted:
            strangers = [people[i] for i in context.assignment.strangers]
            evidence |= {f"stranger_{k}_box": context.box(p.box) for k, p in enumerate(strangers, start=1)}
            score = min(max(p.score for p in strangers), 1.0)
            return [self._fails(_people(len(people), wanted), evidence, score)]
        if len(people) < wanted:
            return [self._fails(_people(len(people), wanted), evidence, None)]
        for copy, original in context.assignment.copies.items():
            person = context.person_of(copy)
            assert person is not None
            box = {"copy_box": context.box(person.box)}
            return [self._fails(f"{original} is there twice and {copy} is not", evidence | box, person.score)]
        if context.faint_heads >= _CROWD:
            reason = f"{context.faint_heads} more heads may be there, too small to be told apart"
            return [self.not_measurable(reason, **evidence)]
        seen = min(len(people), wanted)
        return [self.finding(Verdict.HOLDS, _people(seen, wanted), evidence=evidence)]

    def _fails(self, reason: str, evidence: dict[str, Any], score: float | None) -> Finding:
        return self.finding(Verdict.FAILS, reason, severity=Severity.CLEAR, score=score, evidence=evidence)


def _people(seen: int, wanted: int) -> str:
    return f"{seen or 'no'} {'person' if seen == 1 else 'people'} instead of {wanted}" if seen != wanted else (
        f"{seen} {'person' if seen == 1 else 'people'}, as asked"
    )  # fmt: skip
