"""Hands where a detector only says that there is one: are those there that the pose must show?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from detectors.checks.base import Check
from detectors.checks.hands import sure_hands
from detectors.context import Context
from detectors.findings import MISSING_BOX, Finding, Severity, Verdict


@dataclass(frozen=True)
class FoundHands(Check):
    """Fails when a hand that nothing can cover is lost. Fingers are not judged: no public model grades drawn hands.

    Both answers must be within reach wherever one is, else a rate of failures would say more about the detector than
    about the hands. So there is a verdict only where the pose says how many hands must show.
    """

    name: ClassVar[str] = "hands"
    version: ClassVar[str] = "found 2"
    networks: ClassVar[tuple[str, ...]] = ("anime_person", "anime_head", "anime_hand", "hand_landmarker")

    def detect(self, context: Context) -> list[Finding]:
        """One finding for each character of the cast."""
        return [self._judge(context, character.name) for character in context.expectation.cast]

    def _judge(self, context: Context, name: str) -> Finding:
        index = context.assignment.matches.get(name)
        evidence: dict[str, Any] = context.assignment.facts(name) | {"judged": "lost hands alone"}
        if index is None:
            return self.not_measurable(f"nobody in the picture can be {name}", name, **evidence)
        person = context.people[index]
        evidence["person_box"] = context.box(person.box)
        # A hand that lies on several people may be anybody's.
        perhaps = [hand for hand in context.hands if hand.owner in (index, None)]
        sure = sure_hands(context, index)
        evidence |= {"hands_expected": sure, "hands_seen": len(perhaps)}
        for number, hand in enumerate(perhaps, start=1):
            evidence[f"hand_{number}_box"] = context.box(hand.box)
        if context.mediapipe:
            evidence["hands_that_mediapipe_reads"] = sum(hand.landmarks is True for hand in perhaps)
        if not sure:
            return self.not_measurable(f"in this pose the hands of {name} may be covered", name, **evidence)
        if len(perhaps) < sure:
            missing = sure - len(perhaps)
            return self.finding(
                Verdict.FAILS,
                f"{missing} of the hands of {name} that nothing can cover {'is' if missing == 1 else 'are'} not there",
                character=name,
                severity=Severity.LOST,
                evidence=evidence | {MISSING_BOX: context.box(person.box)},
            )
        reason = f"the hands of {name} that must show are there; whether they are whole is not judged"
        return self.finding(Verdict.HOLDS, reason, character=name, evidence=evidence)
