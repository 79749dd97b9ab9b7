"""What the detectors score, beside what is true: on validation drawings, and on labelled generated pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.detectors.cases import Case
from benchmarks.detectors.matching import ends_met, hands_met, people_met
from benchmarks.detectors.truths import drawn
from benchmarks.labelling.ends import LabelledEnd
from detectors.assignment import probability
from detectors.checks import Check, EyeBleed, Face, FollowThrough, Ghost, Identity, Limbs, OutfitBleed
from detectors.checks.bleed import foreign_values
from detectors.checks.pose import pose_odds
from detectors.context import Context
from detectors.crops import Box
from detectors.thresholds import Thresholds
from detectors.vocabulary import HAND_STATES

# Everything is reported while thresholds are measured.
OPEN = Thresholds(
    person=0.05, head=0.05, ahoge=0.5, tuft=0.5, fused_bodies=0.5, heat=0.03, faint=0.03, hand=0.0, lost=0.2, fused=0.2,
    minor=0.5, second_opinion=0.0, small_hand=0.0, clear_face=0.0,
)  # fmt: skip
# Thresholds that a check's own score is compared with, and the truths that count as positive.
SCORED: dict[str, tuple[type[Check], tuple[str, ...]]] = {
    "eye_color": (EyeBleed, ("fails",)),
    "outfit": (OutfitBleed, ("fails",)),
    "limbs": (Limbs, ("fails",)),
    "face": (Face, ("fails",)),
    "ghost": (Ghost, ("fails",)),
    "identity": (Identity, ("fails",)),
    "asked": (FollowThrough, ("fails", "minor")),
}


@dataclass
class Samples:
    """(score, whether it is true) for each threshold, and hands in detail."""

    pairs: dict[str, list[tuple[float, bool]]] = field(default_factory=dict)
    hands: list[tuple[str, tuple[float, ...], bool | None]] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)
    skins: list[float] = field(default_factory=list)

    def add(self, name: str, score: float, true: bool) -> None:
        """One more observation."""
        self.pairs.setdefault(name, []).append((score, true))


def gather(samples: Samples, case: Case, context: Context) -> None:
    """Compare one look at a validation drawing with its truth."""
    drawing = case.drawing
    met = people_met(context, drawing)
    for p, person in enumerate(context.people):
        samples.add("person", person.score, met[p] is not None)
        index = met[p]
        if person.head and index is not None:
            truth = drawn(drawing, index)
            samples.add("head", person.head.score, truth.judgeable)
            if truth.ahoge is not None and person.head.answers:
                odds = person.head.answers["ahoge"]
                samples.add("ahoge", odds[2], truth.ahoge == "ahoge")
                samples.add("tuft", odds[1] + odds[2], truth.ahoge != "none")
    if context.contact and ("fusion", None) in case.truth:
        samples.add("fused_bodies", context.contact.fused, case.truth["fusion", None] == "fails")
    _gather_hands(samples, case, context)
    _gather_scores(samples, case, context)
    _gather_hair(samples, case, context)
    _gather_poses(samples, case, context)


def _gather_scores(samples: Samples, case: Case, context: Context) -> None:
    """The scores of checks that compare a single one with a threshold, of people whose own match is right."""
    met, names = people_met(context, case.drawing), [member.name for member in case.expectation.cast]
    for threshold, (kind, positive) in SCORED.items():
        for finding in kind(OPEN).detect(context):
            truth = case.truth.get((finding.check, finding.character))
            who = context.blind.get(getattr(kind, "topic", ""), context.assignment)
            p = who.matches.get(finding.character or "")
            # What is read wrong is the threshold's business, who is taken for whom is not.
            if truth is None or finding.score is None or p is None or met[p] != names.index(finding.character or ""):
                continue
            samples.add(threshold, finding.score, truth in positive)
            head = context.people[p].head
            if threshold == "face" and head:
                samples.skins.append(head.areas["skin"])


def _gather_hair(samples: Samples, case: Case, context: Context) -> None:
    """How likely somebody else's hair colour and length are, of people whose own match is right."""
    met = people_met(context, case.drawing)
    for index, member in enumerate(case.expectation.cast):
        p = context.blind["hair"].matches.get(member.name)
        if p is None or met[p] != index:
            continue
        shown = drawn(case.drawing, index)
        for attribute in ("hair_color", "hair_length"):
            foreign = foreign_values(context, member, attribute)
            odds = [probability(context.people[p].seen, attribute, word) for word in foreign]
            known = [value for value in odds if value is not None]
            if known and shown.judgeable:
                samples.add(attribute, sum(known), getattr(shown, attribute) in foreign)


def _gather_poses(samples: Samples, case: Case, context: Context) -> None:
    """How likely the asked pose is, and the wrong order in poses with roles."""
    asked, cast, scene = case.expectation, case.expectation.cast, case.drawing.scene
    matches = [context.assignment.matches.get(member.name) for member in cast]
    people = [context.people[i] for i in matches if i is not None]
    if case.truth.get(("pose", None)) is None or len(people) < len(cast):
        return
    odds = pose_odds(people, [member.name == asked.below for member in cast])
    same = scene.pose.replace(" ", "_") == asked.pose
    samples.add("pose", 1 - odds.get(str(asked.pose), 0.0), not same)
    if same and asked.below:
        samples.add("reversed_roles", odds["reversed"], asked.below != cast[0].name)


def _gather_hands(samples: Samples, case: Case, context: Context) -> None:
    met, taken = hands_met(context, case.drawing)
    for truth, hand in met:
        if truth.state == "occluded":
            continue
        if hand:
            samples.add("heat", hand.heat, True)
            if truth.state != "lost":
                samples.add("hand", (hand.heat + hand.seen) / 2, True)
            samples.hands.append((truth.state, hand.states, hand.landmarks))
            samples.sizes.append(max(hand.box[2] - hand.box[0], hand.box[3] - hand.box[1]))
    people = people_met(context, case.drawing)
    for k, hand in enumerate(context.hands):
        owner = people[hand.owner] if hand.owner is not None else None
        if k not in taken and not (owner is not None and case.drawing.people[owner].extra):
            samples.add("heat", hand.heat, False)
            if HAND_STATES[int(np.argmax(hand.states))] != "lost":
                samples.add("hand", (hand.heat + hand.seen) / 2, False)


def gather_ends(samples: Samples, ends: Sequence[LabelledEnd], context: Context) -> None:
    """Compare one look at a labelled generated picture with its labelled arms' ends."""
    boxes = [end.box or _around(end.point) for end in ends]
    met = ends_met(context, boxes)
    for end, k in zip(ends, met, strict=True):
        if end.grade in HAND_STATES and k is not None:
            hand = context.hands[k]
            samples.add("heat", hand.heat, True)
            if end.grade != "lost":
                samples.add("hand", (hand.heat + hand.seen) / 2, True)
            samples.hands.append((end.grade, hand.states, hand.landmarks))
    for k, hand in enumerate(context.hands):
        if k not in met:
            samples.add("heat", hand.heat, False)
            if HAND_STATES[int(np.argmax(hand.states))] != "lost":
                samples.add("hand", (hand.heat + hand.seen) / 2, False)


def _around(point: tuple[float, float]) -> Box:
    """A hand's usual box round a point."""
    x, y = point
    return (x - 14, y - 14, x + 14, y + 14)
