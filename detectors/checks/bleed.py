"""Does a character wear somebody else's hair, eyes or clothes?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from detectors.assignment import Answers, Assignment, probability, read
from detectors.checks.base import Check
from detectors.context import Context
from detectors.expectations import Character
from detectors.findings import Finding, Severity, Verdict

# Nats by which the best matching must beat any other for it to say who is who without the attribute under judgement.
SURE = 0.5


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
        answers = person.seen
        if self.hidden(answers) or not answers:
            return self.not_measurable(f"{name}'s {self.words} cannot be seen", name, **evidence)
        return self._compare(character, answers, foreign, evidence)

    def _alike(self, context: Context, who: Assignment, foreign: dict[str, dict[str, str]]) -> bool:
        """Whether the answer is the same whichever of the matched people it is, as for a copy of somebody else."""
        verdicts = set()
        for index in who.matches.values():
            seen = context.people[index].seen
            scores = {name: sum(probability(seen, name, w) or 0.0 for w in words) for name, words in foreign.items()}
            verdicts.add(
                any(score >= getattr(self.thresholds, name) for name, score in scores.items() if foreign[name])
            )
        return len(verdicts) == 1

    def hidden(self, answers: Answers) -> bool:
        """Whether what is judged was not seen."""
        return all(attribute not in answers for attribute in self.attributes)

    def _compare(
        self, character: Character, answers: Answers, foreign: dict[str, dict[str, str]], evidence: dict[str, Any]
    ) -> Finding:
        name, worst, score, unread = character.name, None, 0.0, []
        for attribute, values in foreign.items():
            odds = {word: probability(answers, attribute, word) for word in values}
            unread += [word for word, value in odds.items() if value is None]
            known = {word: value for word, value in odds.items() if value is not None}
            evidence[attribute] = read(answers, attribute)
            if not known:
                continue
            total = sum(known.values())
            score = max(score, total)
            if total >= getattr(self.thresholds, attribute):
                worst = max(known, key=known.__getitem__)
                evidence["whose"] = values[worst]
        if len(unread) == sum(map(len, foreign.values())):
            return self.not_measurable(f"this profile has no words for {unread[0]!r}", name, **evidence)
        if worst:
            thing = worst if self.topic == "outfit" else f"{worst} {self.words}"
            reason = f"{name} wears {evidence['whose']}'s {thing}"
            return self.finding(
                Verdict.FAILS, reason, character=name, severity=Severity.CLEAR, score=score, evidence=evidence
            )
        reason = f"nobody else's {self.words} on {name}"
        return self.finding(Verdict.HOLDS, reason, character=name, score=score, evidence=evidence)


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
    version: ClassVar[str] = "2"
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
    """Fails when a character wears the clothes of another one. Any of her own outfits holds, and so does a new one."""

    name: ClassVar[str] = "outfit_bleed"
    version: ClassVar[str] = "2"
    topic: ClassVar[str] = "outfit"
    attributes: ClassVar[tuple[str, ...]] = ("outfit",)
    words: ClassVar[str] = "clothes"
