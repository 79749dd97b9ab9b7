"""Are the hands whole? Judged where arms end, whether there is a hand or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from detectors.arms import ends_here, state_of
from detectors.checks.base import Check
from detectors.context import Context, Hand, Person
from detectors.crops import FRAME_SIZE, Box
from detectors.findings import MISSING_BOX, Finding, Severity, Verdict
from detectors.vocabulary import ARMS, HAND_STATES, ROLES

# Hands whose place nothing can cover, by pose: of the person whose head is highest, then of the one with the lower one.
# The one who carries piggyback has the lower head, the one who carries a princess the higher one.
_SURE_HANDS: dict[str, tuple[int, int]] = {
    "standing": (2, 2),
    "arms_up": (2, 2),
    "waving": (2, 2),
    "sitting": (2, 2),
    "apart": (2, 2),
    "piggyback": (0, 2),
    "princess_carry": (2, 0),
}
# Share of a place that its owner's own body fills, from which on no arm of hers can end there in the open.
_INSIDE = 0.9
_WORST = ("lost", "fused", "minor", "holds")
_REASONS = {
    "lost": "an arm of {0} ends without a hand",
    "fused": "the fingers of a hand of {0} stick together",
    "minor": "a hand of {0} is slightly off",
    "holds": "{0}'s visible hands are whole",
}
_SEVERITIES = {"lost": Severity.LOST, "fused": Severity.FUSED, "minor": Severity.MINOR}


@dataclass(frozen=True)
class Hands(Check):
    """The worst of each character's visible hands: lost is worse than fused, fused worse than slightly off."""

    name: ClassVar[str] = "hands"
    version: ClassVar[str] = "8"
    networks: ClassVar[tuple[str, ...]] = ("people", "heads", "likeness", "hands", "ends", "bodies")

    def detect(self, context: Context) -> list[Finding]:
        """One finding for each character of the cast."""
        return [self._judge(context, character.name) for character in context.expectation.cast]

    def _judge(self, context: Context, name: str) -> Finding:
        index = context.assignment.matches.get(name)
        evidence: dict[str, Any] = context.assignment.facts(name)
        evidence["mediapipe"] = "present" if context.mediapipe else "absent"
        if index is None:
            return self.not_measurable(f"nobody in the picture can be {name}", name, **evidence)
        person = context.people[index]
        evidence["person_box"] = context.box(person.box)
        own = [
            hand
            for hand in context.hands
            if hand.owner == index
            and ends_here(hand, self.thresholds)
            and (hand.heat >= self.thresholds.heat or in_the_open(hand, person))
        ]
        sure = sure_hands(context, index)
        traces = sum(hand.owner == index and hand.heat >= self.thresholds.faint for hand in context.hands)
        evidence |= {"arms_seen": len(own), "arms_expected": sure}
        if traces < sure:
            return self._missing(context, name, person, sure - traces, evidence)
        ends = self.real(own)
        if arms_of(person) != "free":
            evidence["arms"] = arms_of(person)
            ends = self.uncovered(ends, arms_of(person))
        visible = [hand for hand in ends if self.large(hand)]
        if not visible:
            reason = f"{name}'s hands are too small to be judged" if own else f"no hand of {name} is visible"
            return self.not_measurable(reason, name, **evidence)
        states = [state_of(hand, self.thresholds) for hand in visible]
        worst = min(states, key=_WORST.index)
        hand = max(
            (hand for hand, state in zip(visible, states, strict=True) if state == worst),
            key=lambda hand: hand.states[HAND_STATES.index(worst)],
        )
        evidence |= _facts(context, hand, visible, states)
        return self.finding(
            {"minor": Verdict.MINOR, "holds": Verdict.HOLDS}.get(worst, Verdict.FAILS),
            _REASONS[worst].format(name),
            character=name,
            severity=_SEVERITIES.get(worst),
            score=max(broken(hand) for hand in visible),
            evidence=evidence,
        )

    def _missing(self, context: Context, name: str, person: Person, missing: int, evidence: dict[str, Any]) -> Finding:
        evidence[MISSING_BOX] = context.box(person.box)
        return self.finding(
            Verdict.FAILS,
            f"{missing} of the hands of {name} that nothing can cover {'is' if missing == 1 else 'are'} not there",
            character=name,
            severity=Severity.LOST,
            evidence=evidence,
        )

    def real(self, ends: Sequence[Hand]) -> list[Hand]:
        """The two surest arm's ends that are one: bare skin elsewhere is no hand, and nobody has three arms."""
        sure = [
            end
            for end in ends
            if state_of(end, self.thresholds) in ("lost", "fused") or (end.heat + end.seen) / 2 >= self.thresholds.hand
        ]
        return sorted(sure, key=lambda end: -end.heat)[:2]

    def uncovered(self, ends: Sequence[Hand], arms: str) -> list[Hand]:
        """Of the ends of arms that are crossed or behind the back, the one that shows a hand best.

        The other hand lies under an arm or behind the body: what shows of it, or an elbow, looks like a stump and is
        none. Behind the back no stump can be seen at all.
        """
        shown = [end for end in ends if arms != "behind" or state_of(end, self.thresholds) != "lost"]
        return sorted(shown, key=lambda end: -(end.heat + end.seen))[:1]

    def large(self, hand: Hand) -> bool:
        """Whether a hand is large enough to be judged."""
        x0, y0, x1, y1 = hand.box
        return max(x1 - x0, y1 - y0) >= self.thresholds.small_hand


def in_the_open(hand: Hand, person: Person) -> bool:
    """Whether an arm's end lies at its owner's outline: a knee or an elbow in front of her looks like a faint stump."""
    x0, y0, x1, y1 = (max(0, round(v)) for v in hand.box)
    place = person.mask[y0 : y1 + 1, x0 : x1 + 1]
    return not place.size or float(place.mean()) < _INSIDE


def arms_of(person: Person) -> str:
    """What a person does with her arms, one of ``ARMS``; ``free`` where no network says."""
    return ARMS[int(np.argmax(person.answers["arms"]))] if "arms" in person.answers else "free"


def sure_hands(context: Context, index: int) -> int:
    """How many hands of a person must be visible in the asked pose; 0 where something may hide them.

    Arms that are crossed or behind the back hide them, so does a pose that is not the asked one, and so may somebody
    who stands so near that the boxes overlap.
    """
    pose, people, person = context.expectation.pose, context.people, context.people[index]
    if (
        pose not in _SURE_HANDS
        or len(people) != len(context.expectation.cast)
        or context.expectation.distance == "close"
    ):
        return 0
    if person.answers and not _as_asked(person, pose):
        return 0
    x0, _, x1, _ = person.box
    if person.head is None or x0 <= 1 or x1 >= FRAME_SIZE - 1:
        return 0
    if pose == "apart" and any(_overlap(person.box, other.box) for other in people if other is not person):
        return 0
    tops = [other.head.box[1] if other.head else other.box[1] for other in people]
    highest = tops.index(min(tops))
    return _SURE_HANDS[pose][0 if index == highest else 1]


def _as_asked(person: Person, pose: str) -> bool:
    """Whether a person's arms are free and what she does belongs to a pose."""
    role, standing = ROLES[int(np.argmax(person.answers["role"]))], {"standing", "apart"}
    return arms_of(person) == "free" and (role.startswith(pose) or {role, pose} <= standing)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def broken(hand: Hand) -> float:
    """Probability that a hand is lost or fused."""
    return hand.states[HAND_STATES.index("lost")] + hand.states[HAND_STATES.index("fused")]


def _facts(context: Context, worst: Hand, visible: Sequence[Hand], states: Sequence[str]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "hand_box": context.box(worst.box),
        "odds": {state: round(p, 3) for state, p in zip(HAND_STATES, worst.states, strict=True)},
        "gripping": worst.gripping >= 0.5,
        "visible": len(visible),
        "states": list(states),
    }
    for k, hand in enumerate(visible, start=1):
        if hand is not worst:
            facts[f"other_hand_{k}_box"] = context.box(hand.box)
    if worst.landmarks is not None:
        facts["mediapipe"] = "found a hand" if worst.landmarks else "found none"
    return facts
