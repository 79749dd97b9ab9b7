"""Is each character still herself?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from detectors.assignment import probability, stated
from detectors.checks.base import Check
from detectors.context import Context
from detectors.expectations import Attributes, Character, changed
from detectors.findings import Finding, Severity, Verdict

# Reference pictures say that somebody else is meant when she is nearer to another character by this much (cosine).
_NEARER = 0.05
# Somebody who resembles another character less than this only drifted.
_COPY = 0.5
_ATTRIBUTES = ("hair_color", "hair_length", "eye_color", "outfit")


@dataclass(frozen=True)
class Identity(Check):
    """Fails when somebody looks less like herself than like another character, or like nobody of the suite.

    ``own`` is the mean of two views of one person, never of the whole picture: the attribute networks' share of her
    stated attributes, and the likeness model's match of her crop with the words for them. ``nearest`` is the same
    for the character she resembles most besides. The score is the larger of ``1 - own`` and
    ``(1 + nearest - own) / 2``. With
    reference pictures of two characters, being nearer to another one's fails too. Allowed outfits and asked changes
    count as her own.
    """

    name: ClassVar[str] = "identity"
    version: ClassVar[str] = "2"
    networks: ClassVar[tuple[str, ...]] = ("people", "heads", "likeness", "bodies")

    def detect(self, context: Context) -> list[Finding]:
        """One finding for each character of the cast."""
        return [self._judge(context, character) for character in context.expectation.cast]

    def _judge(self, context: Context, character: Character) -> Finding:
        name = character.name
        index = context.assignment.matches.get(name)
        evidence: dict[str, Any] = context.assignment.facts(name)
        if index is None:
            return self.not_measurable(f"nobody in the picture can be {name}", name, **evidence)
        evidence["person_box"] = context.box(context.people[index].box)
        if not stated(character.attributes) and not context.references.get(name):
            return self.not_measurable(f"nothing is stated that makes {name} who she is", name, **evidence)
        own = resemblance(context, character, index)
        rivals = {rival.name: resemblance(context, rival, index) for rival in context.expectation.rivals(name)}
        known = {rival: value for rival, value in rivals.items() if value is not None}
        nearest = max(known, key=known.__getitem__) if known else None
        score = 0.0
        if own is not None:
            evidence["own"] = round(own, 3)
            score = 1 - own
            if nearest is not None:
                evidence |= {"nearest": nearest, "nearest_likeness": round(known[nearest], 3)}
                score = max(score, (1 + known[nearest] - own) / 2)
        stranger = self._references(context, name, index, evidence)
        if stranger:
            nearest, score = stranger, max(score, self.thresholds.identity)
        if score < self.thresholds.identity:
            return self.finding(Verdict.HOLDS, f"{name} looks like herself", character=name, score=score,
                                evidence=evidence)  # fmt: skip
        copied = stranger or (nearest is not None and own is not None and known[nearest] > max(own, _COPY))
        reason = f"{name} looks like {nearest}" if copied else f"{name} does not look like herself"
        evidence["outcome"] = "copied" if copied else "drift"
        return self.finding(
            Verdict.FAILS, reason, character=name, severity=Severity.CLEAR, score=score, evidence=evidence
        )

    def _references(self, context: Context, name: str, index: int, evidence: dict[str, Any]) -> str | None:
        """Another character whose reference pictures this person is clearly nearer to."""
        cosines = {who: values[index] for who, values in context.references.items() if values}
        if name not in cosines:
            return None
        evidence["references"] = {who: round(value, 3) for who, value in cosines.items()}
        nearest = max(cosines, key=cosines.__getitem__)
        return nearest if cosines[nearest] > cosines[name] + _NEARER else None


def resemblance(context: Context, character: Character, index: int) -> float | None:
    """How much a person looks like a character as asked for, 0..1; ``None`` where nothing is known about her look."""
    attributes = changed(character.attributes, context.expectation.changed(character.name))
    shown = _share(context, attributes, index)
    words = context.resemblance.get(character.name)
    views = [value for value in (shown, words[index] if words else None) if value is not None]
    return float(np.mean(views)) if views else None


def _share(context: Context, attributes: Attributes, index: int) -> float | None:
    """Mean probability of the stated attributes."""
    seen, odds = context.people[index].seen, []
    for name in _ATTRIBUTES:
        known = [value for word in attributes.values(name) if (value := probability(seen, name, word)) is not None]
        if known:
            odds.append(min(sum(known), 1.0))
    return float(np.mean(odds)) if odds else None
