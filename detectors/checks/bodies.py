"""Is each body whole: its limbs, its face, its outline?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from detectors.checks.base import Check
from detectors.context import Context, Person
from detectors.findings import Finding, Severity, Verdict
from detectors.thresholds import Thresholds
from detectors.vocabulary import FACES, GHOSTS, LIMBS


@dataclass(frozen=True)
class _Body(Check):
    """What the three have in common: a question with one good answer, asked about each character of the cast."""

    question: ClassVar[str]
    classes: ClassVar[tuple[str, ...]]
    reasons: ClassVar[dict[str, str]]

    def detect(self, context: Context) -> list[Finding]:
        """One finding for each character of the cast."""
        return [self._judge(context, character.name) for character in context.expectation.cast]

    def hidden(self, person: Person, thresholds: Thresholds) -> str:
        """Why nothing can be said about this person, for a sentence about her; empty if something can."""
        del thresholds
        return "" if self.question in person.seen else "is not visible"

    def box(self, person: Person) -> tuple[str, Any]:
        """Where to look: the name of the evidence and a box of the frame."""
        return "person_box", person.box

    def _judge(self, context: Context, name: str) -> Finding:
        person = context.person_of(name)
        evidence: dict[str, Any] = context.assignment.facts(name)
        if person is None:
            return self.not_measurable(f"nobody in the picture can be {name}", name, **evidence)
        key, box = self.box(person)
        evidence[key] = context.box(box)
        hidden = self.hidden(person, self.thresholds)
        if hidden:
            return self.not_measurable(f"{name} {hidden}", name, **evidence)
        odds = dict(zip(self.classes, person.seen[self.question], strict=True))
        evidence["odds"] = {word: round(value, 3) for word, value in odds.items()}
        good = self.classes[0]
        score = 1 - odds[good]
        if score >= getattr(self.thresholds, self.name):
            worst = max((word for word in self.classes if word != good), key=odds.__getitem__)
            evidence["fault"] = worst
            return self.finding(
                Verdict.FAILS, self.reasons[worst].format(name), character=name, severity=Severity.CLEAR, score=score,
                evidence=evidence,
            )  # fmt: skip
        return self.finding(
            Verdict.HOLDS, self.reasons[good].format(name), character=name, score=score, evidence=evidence
        )


@dataclass(frozen=True)
class Limbs(_Body):
    """Fails when a character has an arm or a leg too many or too few."""

    name: ClassVar[str] = "limbs"
    version: ClassVar[str] = "2"
    networks: ClassVar[tuple[str, ...]] = ("people", "heads", "likeness", "bodies")
    question: ClassVar[str] = "limbs"
    classes: ClassVar[tuple[str, ...]] = LIMBS
    reasons: ClassVar[dict[str, str]] = {
        "whole": "{0} has as many arms and legs as she should",
        "extra": "{0} has an arm or a leg too many",
        "missing": "an arm or a leg of {0} is missing",
    }


@dataclass(frozen=True)
class Ghost(_Body):
    """Fails when a character's contours are doubled, leftovers of her hang in the picture, or its colours are burnt."""

    name: ClassVar[str] = "ghost"
    version: ClassVar[str] = "2"
    networks: ClassVar[tuple[str, ...]] = ("people", "heads", "likeness", "bodies")
    question: ClassVar[str] = "ghost"
    classes: ClassVar[tuple[str, ...]] = GHOSTS
    reasons: ClassVar[dict[str, str]] = {
        "clean": "{0} is drawn once and in sound colours",
        "doubled": "the contours of {0} are doubled",
        "leftover": "a faint copy of a part of {0} was left over",
        "burnt": "the colours around {0} are burnt",
    }


@dataclass(frozen=True)
class Face(_Body):
    """Fails when a face is broken: an eye missing, out of place or one too many, or everything smeared."""

    name: ClassVar[str] = "face"
    version: ClassVar[str] = "2"
    networks: ClassVar[tuple[str, ...]] = ("people", "heads", "likeness", "faces")
    question: ClassVar[str] = "face"
    classes: ClassVar[tuple[str, ...]] = FACES
    reasons: ClassVar[dict[str, str]] = {"whole": "{0}'s face is whole", "broken": "{0}'s face is broken"}

    def hidden(self, person: Person, thresholds: Thresholds) -> str:
        """See the base class; a face that is mostly covered is not judged."""
        if person.head is None or "face" not in person.head.answers:
            return "shows no head"
        return "shows too little of her face" if person.head.areas["skin"] < thresholds.clear_face else ""

    def box(self, person: Person) -> tuple[str, Any]:
        """See the base class."""
        return ("head_box", person.head.box) if person.head else ("person_box", person.box)
