"""Does a character wear somebody else's hair, eyes or clothes?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from detectors.assignment import Answers, Assignment, probability, read
from detectors.checks.base import Check
from detectors.context import Context, Person
from detectors.expectations import Character
from detectors.findings import Finding, Severity, Verdict

# Nats by which the best matching must beat any other for it to say who is who where an attribute is judged.
SURE = 0.5
# Clothes are seen where the likeliest garment in the likeliest colour has at least the first probability. Where next to
# nothing of her is below her head (in areas of the head's box), it takes the second to say that nothing is wrong.
_READ, _READ_COVERED, _COVERED = 0.3, 0.7, 0.25


@dataclass(frozen=True)
class Bleed(Check):
    """What the three have in common.

    An attribute fails when it shows what another character owns and this one does not: one of the cast, or for a solo
    prompt anybody else of the suite. Something that is nobody's is drift and holds. Who is who is decided without what
    is judged here: a Kei with Kana's hair must still be Kei.
    """

    networks: ClassVar[tuple[str, ...]] = ("people", "heads", "likeness", "bodies")
    topic: ClassVar[str]
    attributes: ClassVar[tuple[str, ...]]
    words: ClassVar[str]

    def detect(self, context: Context) -> list[Finding]:
        """One finding for each character of the cast of whom something is stated that this check is about."""
        cast = [c for c in context.expectation.cast if any(c.attributes.values(name) for name in self.attributes)]
        return [self._judge(context, character) for character in cast]

    def _judge(self, context: Context, character: Character) -> Finding:
        name, blind = character.name, context.blind.get(self.topic, context.assignment)
        evidence: dict[str, Any] = blind.facts(name)
        index = blind.matches.get(name)
        if index is None:
            return self.not_measurable(f"nobody in the picture can be {name}", name, **evidence)
        person = context.people[index]
        evidence["person_box"] = context.box(person.box)
        if person.head:
            evidence["head_box"] = context.box(person.head.box)
        foreign = {attribute: foreign_values(context, character, attribute) for attribute in self.attributes}
        if not any(foreign.values()):
            return self.not_measurable(f"nobody else has other {self.words} than {name}", name, **evidence)
        if blind.margin.get(name, 99.0) < SURE and not self._alike(context, blind, foreign):
            reason = f"nothing but her {self.words} says which of them is {name}"
            return self.not_measurable(reason, name, **evidence)
        if not person.seen or self.hidden(person):
            return self.not_measurable(f"{name}'s {self.words} cannot be seen", name, **evidence)
        return self._compare(character, person, foreign, evidence)

    def _alike(self, context: Context, who: Assignment, foreign: dict[str, dict[str, str]]) -> bool:
        """Whether the answer is the same whichever of the matched people it is, as for a copy of somebody else."""
        verdicts = set()
        for index in who.matches.values():
            scores = _scores(context.people[index].seen, foreign)
            verdicts.add(any(score >= getattr(self.thresholds, name) for name, score in scores.items()))
        return len(verdicts) == 1

    def hidden(self, person: Person) -> bool:
        """Whether what is judged was not seen."""
        return all(attribute not in person.seen for attribute in self.attributes)

    def covered(self, person: Person) -> bool:
        """Whether too little of what is judged was seen to say that nothing is wrong."""
        del person
        return False

    def _compare(
        self, character: Character, person: Person, foreign: dict[str, dict[str, str]], evidence: dict[str, Any]
    ) -> Finding:
        name, answers, worst = character.name, person.seen, None
        scores = _scores(answers, foreign)
        evidence |= {attribute: read(answers, attribute) for attribute in foreign}
        if not scores:
            unread = next(word for values in foreign.values() for word in values)
            return self.not_measurable(f"this profile has no words for {unread!r}", name, **evidence)
        for attribute, score in scores.items():
            if score >= getattr(self.thresholds, attribute):
                worst = max(foreign[attribute], key=lambda word: probability(answers, attribute, word) or 0.0)
                evidence["whose"] = foreign[attribute][worst]
        score = max(scores.values())
        if worst:
            thing = worst if self.topic == "outfit" else f"{worst} {self.words}"
            reason = f"{name} wears {evidence['whose']}'s {thing}"
            return self.finding(
                Verdict.FAILS, reason, character=name, severity=Severity.CLEAR, score=score, evidence=evidence
            )
        if self.covered(person):
            return self.not_measurable(f"too little of {name}'s {self.words} can be seen", name, **evidence)
        reason = f"nobody else's {self.words} on {name}"
        return self.finding(Verdict.HOLDS, reason, character=name, score=score, evidence=evidence)


def _scores(answers: Answers, foreign: dict[str, dict[str, str]]) -> dict[str, float]:
    """How likely each attribute is another's; only of those that others own and this profile has words for."""
    scores = {}
    for attribute, values in foreign.items():
        odds = [value for word in values if (value := probability(answers, attribute, word)) is not None]
        if odds:
            scores[attribute] = sum(odds)
    return scores


def foreign_values(context: Context, character: Character, attribute: str) -> dict[str, str]:
    """What others own of an attribute and a character neither owns nor was asked to show: whose it is, by value."""
    asked = context.expectation.changed(character.name).get(attribute)
    own = {*character.attributes.values(attribute), *([asked] if asked else [])}
    if not own:
        return {}
    foreign: dict[str, str] = {}
    for rival in context.expectation.rivals(character.name):
        for value in rival.attributes.values(attribute):
            if value not in own:
                foreign.setdefault(value, rival.name)
    return foreign


@dataclass(frozen=True)
class HairBleed(Bleed):
    """Fails when a character has the hair colour or the hair length of another one: the long-hair pull."""

    name: ClassVar[str] = "hair_bleed"
    version: ClassVar[str] = "3"
    topic: ClassVar[str] = "hair"
    attributes: ClassVar[tuple[str, ...]] = ("hair_color", "hair_length")
    words: ClassVar[str] = "hair"


@dataclass(frozen=True)
class EyeBleed(Bleed):
    """Fails when a character has the eyes of another one."""

    name: ClassVar[str] = "eye_bleed"
    version: ClassVar[str] = "2"
    topic: ClassVar[str] = "eyes"
    attributes: ClassVar[tuple[str, ...]] = ("eye_color",)
    words: ClassVar[str] = "eyes"


@dataclass(frozen=True)
class OutfitBleed(Bleed):
    """Fails when a character wears the clothes of another one. Any of her own outfits holds, and so does a new one.

    Clothes that are too covered to be read are not judged.
    """

    name: ClassVar[str] = "outfit_bleed"
    version: ClassVar[str] = "2"
    topic: ClassVar[str] = "outfit"
    attributes: ClassVar[tuple[str, ...]] = ("outfit",)
    words: ClassVar[str] = "clothes"

    def hidden(self, person: Person) -> bool:
        """See the base class."""
        return super().hidden(person) or _sure(person) < _READ

    def covered(self, person: Person) -> bool:
        """See the base class; what is read surely was seen, whatever covers her."""
        return _sure(person) < _READ_COVERED and below_head(person) < _COVERED


def _sure(person: Person) -> float:
    """Probability of the likeliest garment in the likeliest colour."""
    return max(person.seen["outfit"]) * max(person.seen["outfit_color"])


def below_head(person: Person) -> float:
    """How much of a person is right below her head, in areas of the head's box; 1 where no head was found."""
    if person.head is None:
        return 1.0
    x0, y0, x1, y1 = person.head.box
    seen = person.mask[max(round(y1), 0) :, max(round(x0), 0) : max(round(x1), 0)]
    return float(np.count_nonzero(seen)) / max((x1 - x0) * (y1 - y0), 1.0)
