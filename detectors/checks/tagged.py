"""Checks whose evidence is a tagger's: hair, eyes and outfit of another character, and what a prompt changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from detectors.assignment import Assignment, assign
from detectors.checks.base import Check
from detectors.context import Context, Person
from detectors.expectations import Character
from detectors.findings import Finding, Severity, Verdict
from detectors.tags import LIKELY, probability, tag_name

_WORDS = {"hair_color": "hair colour", "hair_length": "hair length", "eye_color": "eye colour", "outfit": "outfit"}
# A match that would lose less than this, in nats, if it were forbidden is no match.
_LEAST_MARGIN = 0.5


def assign_without(context: Context, attributes: Sequence[str]) -> Assignment:
    """Who is who from all evidence except some attributes: those under judgement must not decide whom they are on."""
    cast, people = context.expectation.cast, context.people
    fit = np.zeros((len(people), len(cast)))
    for p, person in enumerate(people):
        for c, character in enumerate(cast):
            found = person.evidence.get(character.name, {})
            # A likeness to all of her words would bring what is under judgement in again.
            fit[p, c] = sum(nats for source, nats in found.items() if source not in (*attributes, "words"))
    heads = [
        {name: odds for name, odds in person.head.answers.items() if name not in attributes} if person.head else {}
        for person in people
    ]
    return assign(cast, fit, heads, [float(np.log(max(person.score, 1e-6))) for person in people])


@dataclass(frozen=True)
class TaggedBleed(Check):
    """Fails when somebody shows what another character owns, more surely than what she owns herself."""

    networks: ClassVar[tuple[str, ...]] = ("anime_person", "anime_head", "wd_tagger", "wd_tags")
    attributes: ClassVar[tuple[str, ...]]

    def detect(self, context: Context) -> list[Finding]:
        """One finding for each character of whom one of the attributes is stated."""
        stated = [
            character
            for character in context.expectation.cast
            if any(character.attributes.values(attribute) for attribute in self.attributes)
        ]
        matched = assign_without(context, self.attributes)
        return [self._judge(context, matched, character) for character in stated]

    def _judge(self, context: Context, matched: Assignment, character: Character) -> Finding:
        name = character.name
        evidence: dict[str, Any] = matched.facts(name)
        index = matched.matches.get(name)
        if index is None:
            return self.not_measurable(f"nobody in the picture can be {name}", name, **evidence)
        person = context.people[index]
        evidence["person_box"] = context.box(person.box)
        if person.head:
            evidence["head_box"] = context.box(person.head.box)
        if matched.margin.get(name, _LEAST_MARGIN) < _LEAST_MARGIN:
            words = " and ".join(_WORDS[attribute] for attribute in self.attributes)
            return self.not_measurable(f"nothing but {words} would tell who {name} is", name, **evidence)
        answers = [
            self._attribute(context, person, character, attribute)
            for attribute in self.attributes
            if character.attributes.values(attribute)
        ]
        evidence["tags"] = {tag: round(p, 3) for answer in answers for tag, p in answer[3].items()}
        order = (Verdict.FAILS, Verdict.NOT_MEASURABLE, Verdict.HOLDS)
        verdict, reason, score, _ = min(answers, key=lambda answer: order.index(answer[0]))
        return self.finding(
            verdict,
            reason,
            character=name,
            severity=Severity.CLEAR if verdict is Verdict.FAILS else None,
            score=score,
            evidence=evidence,
        )

    def _attribute(
        self, context: Context, person: Person, character: Character, attribute: str
    ) -> tuple[Verdict, str, float | None, dict[str, float]]:
        """Verdict, reason, score and the tags behind them, for one attribute."""
        name, what, tags = character.name, _WORDS[attribute], person.tags
        asked = context.expectation.changed(name).get(attribute)
        own = (*character.attributes.values(attribute), *((asked,) if asked else ()))
        shown = probability(tags, attribute, own)
        if shown is None:
            return Verdict.NOT_MEASURABLE, f"the tagger has no tag for {name}'s {what}, {own[0]}", None, {}
        mine = {tag_name(tags, attribute, value) for value in own}
        seen: dict[str, float] = {tag: tags[tag] for tag in mine if tag}
        worst: tuple[float, str, str] = (0.0, "", "")
        for rival in context.expectation.rivals(name):
            for value in rival.attributes.values(attribute):
                tag = tag_name(tags, attribute, value)
                theirs = probability(tags, attribute, (value,))
                if tag is not None and theirs is not None and tag not in mine:
                    seen[tag] = tags[tag]
                    worst = max(worst, (theirs, value, rival.name))
        if worst[0] >= LIKELY and worst[0] > shown:
            return Verdict.FAILS, f"{name} has {worst[2]}'s {what}, {worst[1]}", worst[0], seen
        if shown >= LIKELY:
            return Verdict.HOLDS, f"{name}'s {what} is her own", worst[0], seen
        return Verdict.NOT_MEASURABLE, f"the tagger is sure of nothing about {name}'s {what}", None, seen


@dataclass(frozen=True)
class TaggedHairBleed(TaggedBleed):
    """Hair colour or length of another character."""

    name: ClassVar[str] = "hair_bleed"
    version: ClassVar[str] = "tagger 1"
    attributes: ClassVar[tuple[str, ...]] = ("hair_color", "hair_length")


@dataclass(frozen=True)
class TaggedEyeBleed(TaggedBleed):
    """Eye colour of another character."""

    name: ClassVar[str] = "eye_bleed"
    version: ClassVar[str] = "tagger 1"
    attributes: ClassVar[tuple[str, ...]] = ("eye_color",)


@dataclass(frozen=True)
class TaggedOutfitBleed(TaggedBleed):
    """Clothes of another character."""

    name: ClassVar[str] = "outfit_bleed"
    version: ClassVar[str] = "tagger 1"
    attributes: ClassVar[tuple[str, ...]] = ("outfit",)


@dataclass(frozen=True)
class TaggedFollowThrough(Check):
    """Fails when a prompt asks for other hair or clothes and the tagger still sees the character's own."""

    name: ClassVar[str] = "follow_through"
    version: ClassVar[str] = "tagger 1"
    networks: ClassVar[tuple[str, ...]] = ("anime_person", "anime_head", "wd_tagger", "wd_tags")

    def detect(self, context: Context) -> list[Finding]:
        """One finding for each change that the prompt asks for; one for the image if it asks for none."""
        changes = context.expectation.changes
        if not changes:
            return [self.not_measurable("the prompt asks for nothing else than usual")]
        return [self._judge(context, change.character, change.attribute, change.value) for change in changes]

    def _judge(self, context: Context, name: str, attribute: str, value: str) -> Finding:
        matched = assign_without(context, (attribute,))
        index = matched.matches.get(name)
        evidence: dict[str, Any] = matched.facts(name) | {"asked": {attribute: value}}
        if index is None:
            return self.not_measurable(f"nobody in the picture can be {name}", name, **evidence)
        person = context.people[index]
        evidence["person_box"] = context.box(person.box)
        character = next(each for each in context.expectation.cast if each.name == name)
        asked = probability(person.tags, attribute, (value,))
        usual = probability(person.tags, attribute, character.attributes.values(attribute))
        if asked is None:
            return self.not_measurable(f"the tagger has no tag for {value}", name, **evidence)
        evidence["tags"] = {"asked": round(asked, 3), "usual": None if usual is None else round(usual, 3)}
        if asked >= LIKELY and asked >= (usual or 0.0):
            return self.finding(Verdict.HOLDS, f"{name} has {value}", character=name, evidence=evidence)
        if usual is not None and usual >= LIKELY:
            return self.finding(
                Verdict.FAILS,
                f"{name} was to have {value}, and nothing changed",
                character=name,
                severity=Severity.CLEAR,
                score=usual,
                evidence=evidence,
            )
        return self.not_measurable(
            f"the tagger is sure of nothing about {name}'s {_WORDS[attribute]}", name, **evidence
        )
