"""Was a change that the prompt asks for followed?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from detectors.assignment import probability, read
from detectors.checks.base import Check
from detectors.context import Context
from detectors.expectations import Character
from detectors.findings import Finding, Severity, Verdict


@dataclass(frozen=True)
class FollowThrough(Check):
    """Fails when other hair or clothes were asked for and a character shows what she always wears.

    That is the sign of over-baking. Something else again, neither hers nor what was asked for, is minor.
    """

    name: ClassVar[str] = "follow_through"
    version: ClassVar[str] = "2"
    networks: ClassVar[tuple[str, ...]] = ("people", "heads", "likeness", "bodies")

    def detect(self, context: Context) -> list[Finding]:
        """One finding for each character of whom a change was asked, or one that says that none was."""
        changed = [c for c in context.expectation.cast if context.expectation.changed(c.name)]
        if not changed:
            return [self.not_measurable("the prompt asks for no other hair or clothes")]
        return [self._judge(context, character) for character in changed]

    def _judge(self, context: Context, character: Character) -> Finding:
        name, person = character.name, context.person_of(character.name)
        evidence: dict[str, Any] = context.assignment.facts(name)
        if person is None:
            return self.not_measurable(f"nobody in the picture can be {name}", name, **evidence)
        evidence["person_box"] = context.box(person.box)
        worst, unread = None, None
        for attribute, value in context.expectation.changed(name).items():
            odds = probability(person.seen, attribute, value)
            if odds is None:
                unread = value
                continue
            evidence[attribute] = read(person.seen, attribute)
            evidence[f"asked_{attribute}"] = value
            if worst is None or odds < worst[0]:
                worst = (odds, attribute, value)
        if worst is None:
            return self.not_measurable(f"whether {name} shows {unread!r} cannot be seen", name, **evidence)
        odds, attribute, value = worst
        thing = value if attribute == "outfit" else f"{value} hair"
        if odds >= self.thresholds.asked:
            return self.finding(
                Verdict.HOLDS, f"{name} shows {thing}, as asked", character=name, score=1 - odds, evidence=evidence
            )
        usual = evidence[attribute] in character.attributes.values(attribute)
        verdict, severity = (Verdict.FAILS, Severity.CLEAR) if usual else (Verdict.MINOR, Severity.MINOR)
        reason = f"{thing} was asked for, and {name} shows {evidence[attribute]}" + (" as always" if usual else "")
        return self.finding(verdict, reason, character=name, severity=severity, score=1 - odds, evidence=evidence)
