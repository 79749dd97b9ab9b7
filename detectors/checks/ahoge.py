"""Who wears an ahoge, and who ought to."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from detectors.assignment import Assignment
from detectors.checks.base import Check
from detectors.checks.bleed import SURE
from detectors.context import Context, Head, Person
from detectors.findings import Finding, Severity, Verdict
from detectors.vocabulary import AHOGE_STATES

_TUFT, _AHOGE = AHOGE_STATES.index("tuft"), AHOGE_STATES.index("ahoge")


@dataclass(frozen=True)
class _Ahoge(Check):
    """What both ahoge checks share: finding the head and reading it."""

    networks: ClassVar[tuple[str, ...]] = ("people", "heads", "likeness", "bodies")
    owners: ClassVar[bool]

    def detect(self, context: Context) -> list[Finding]:
        """One finding for each character of the cast that the check is about."""
        cast = [c.name for c in context.expectation.cast if c.attributes.ahoge is self.owners]
        return [self._judge(context, name) for name in cast]

    def _judge(self, context: Context, name: str) -> Finding:
        who = context.blind.get("ahoge", context.assignment)
        index = who.matches.get(name)
        evidence: dict[str, Any] = who.facts(name)
        if index is None:
            return self.not_measurable(f"nobody in the picture can be {name}", name, **evidence)
        person = context.people[index]
        evidence["person_box"] = context.box(person.box)
        if person.head is None or "ahoge" not in person.head.answers:
            return self.not_measurable(f"{name}'s head is not visible", name, **evidence)
        head = person.head
        evidence |= _facts(context, head)
        if who.margin.get(name, 99.0) < SURE and not self._alike(context, who, head):
            return self.not_measurable(f"nothing but her ahoge says which of them is {name}", name, **evidence)
        if "ahoge" in head.unsure:
            return self.not_measurable(f"{name}: {head.unsure['ahoge']}", name, **evidence)
        clear = head.answers["ahoge"][_AHOGE]
        some = clear + head.answers["ahoge"][_TUFT]
        if some < self.thresholds.tuft and head.box[1] <= 0:
            return self.not_measurable(f"the top of {name}'s head is outside of the picture", name, **evidence)
        return self._verdict(name, clear, some, evidence)

    def _alike(self, context: Context, who: Assignment, head: Head) -> bool:
        """Whether everybody who was matched with somebody wears the same on her head as this one."""
        matched = [context.people[index] for index in who.matches.values()]
        return {self._worn(person) for person in matched} <= {self._state(head)}

    def _worn(self, person: Person) -> str:
        return self._state(person.head) if person.head and "ahoge" in person.head.answers else "hidden"

    def _state(self, head: Head) -> str:
        _, tuft, clear = head.answers["ahoge"]
        return "ahoge" if clear >= self.thresholds.ahoge else "tuft" if clear + tuft >= self.thresholds.tuft else "none"

    @abstractmethod
    def _verdict(self, name: str, clear: float, some: float, evidence: dict[str, Any]) -> Finding:
        """The finding, from the probability of a clear ahoge and of any strand at all."""


@dataclass(frozen=True)
class AhogeBleed(_Ahoge):
    """Fails when a character that owns no ahoge wears one; a small tuft is minor."""

    name: ClassVar[str] = "ahoge_bleed"
    version: ClassVar[str] = "4"
    owners: ClassVar[bool] = False

    def _verdict(self, name: str, clear: float, some: float, evidence: dict[str, Any]) -> Finding:
        if clear >= self.thresholds.ahoge:
            return self.finding(
                Verdict.FAILS, f"{name} wears an ahoge", character=name, severity=Severity.CLEAR, score=clear,
                evidence=evidence,
            )  # fmt: skip
        if some >= self.thresholds.tuft:
            return self.finding(
                Verdict.MINOR, f"a small tuft stands up on {name}'s head", character=name, severity=Severity.MINOR,
                score=clear, evidence=evidence,
            )  # fmt: skip
        return self.finding(Verdict.HOLDS, f"no ahoge on {name}'s head", character=name, score=clear, evidence=evidence)


@dataclass(frozen=True)
class AhogeMissing(_Ahoge):
    """Fails when the owner of an ahoge has none; one that shrank to a tuft is minor."""

    name: ClassVar[str] = "ahoge_missing"
    version: ClassVar[str] = "4"
    owners: ClassVar[bool] = True

    def _verdict(self, name: str, clear: float, some: float, evidence: dict[str, Any]) -> Finding:
        if clear >= self.thresholds.ahoge:
            return self.finding(
                Verdict.HOLDS, f"{name} wears her ahoge", character=name, score=1 - some, evidence=evidence
            )
        if some >= self.thresholds.tuft:
            return self.finding(
                Verdict.MINOR, f"{name}'s ahoge shrank to a tuft", character=name, severity=Severity.MINOR,
                score=1 - some, evidence=evidence,
            )  # fmt: skip
        return self.finding(
            Verdict.FAILS, f"{name}'s ahoge is missing", character=name, severity=Severity.CLEAR, score=1 - some,
            evidence=evidence,
        )  # fmt: skip


def _facts(context: Context, head: Head) -> dict[str, Any]:
    odds = head.answers["ahoge"]
    facts: dict[str, Any] = {
        "head_box": context.box(head.box),
        "odds": {state: round(p, 3) for state, p in zip(AHOGE_STATES, odds, strict=True)},
    }
    if head.strand:
        facts["strand_box"] = context.box(head.strand)
    return facts
