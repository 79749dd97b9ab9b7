"""Training drawings whose hands and contact are damaged afterwards, as if a model had broken them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.miniature.damage import CONTACT_DAMAGE, HAND_DAMAGE, damage_contact, damage_hand, hand_places
from benchmarks.miniature.scenes import CONTACT_POSES, Failure
from benchmarks.miniature.truth import Drawing, HandTruth, Mask, PersonTruth

# How often one hand of a person is damaged, and how often the contact of two.
HAND_SHARE, CONTACT_SHARE = 0.18, 0.15
# Longer side of a hand, in pixels, below which damage cannot be told from a hand drawn small.
_SMALLEST = 14.0
# The kinds that the test set's models are trained on stay out of all training.
_KIND = "mangled"
# Difference of a pixel, summed over its three colours, from which on it counts as painted over.
_CHANGED = 60
_STATES = {"swirled": "fused", "stroked": "fused", "sleeved": "lost", "faded": "lost"}


def spoil(drawing: Drawing, rng: np.random.Generator) -> Drawing:
    """The drawing, or a copy with damage and the truth about it.

    Args:
        drawing: as drawn; stays as it is.
        rng: decides what is damaged and how.
    """
    image, scene = drawing.image.copy(), drawing.scene
    people = tuple(_spoilt(image, person, rng) for person in drawing.people)
    kinds = {failure.kind for failure in scene.failures}
    if scene.pose in CONTACT_POSES and "fused_bodies" not in kinds and rng.random() < CONTACT_SHARE:
        before = image.copy()
        damage_contact(image, drawing, str(rng.choice(CONTACT_DAMAGE[_KIND])), rng)
        changed = np.abs(image.astype(int) - before).sum(axis=2) > _CHANGED
        scene = replace(scene, failures=(*scene.failures, Failure("fused_bodies")))
        people = tuple(replace(p, hands=tuple(_melted(p, hand, changed) for hand in p.hands)) for p in people)
    return replace(drawing, scene=scene, image=image, people=people)


def _melted(person: PersonTruth, hand: HandTruth, changed: Mask) -> HandTruth:
    """The hand as the damage to the contact leaves it: fused where most of it is gone."""
    if hand.state not in ("holds", "minor"):
        return hand
    x0, y0, x1, y1 = (max(0, round(v)) for v in hand.box)
    own = person.parts["hand"][y0:y1, x0:x1]
    if not own.any() or changed[y0:y1, x0:x1][own].mean() < 0.5:
        return hand
    return replace(hand, state="fused", keypoints=np.full_like(hand.keypoints, np.nan))


def _spoilt(image: np.ndarray, person: PersonTruth, rng: np.random.Generator) -> PersonTruth:
    hands = [hand for hand in hand_places(person) if _side(hand) >= _SMALLEST and hand.state in ("holds", "minor")]
    if person.extra or not hands or rng.random() >= HAND_SHARE:
        return person
    chosen, kind = hands[int(rng.integers(len(hands)))], str(rng.choice(HAND_DAMAGE[_KIND]))
    before = image.copy()
    damage_hand(image, person, chosen, kind, rng)
    if np.array_equal(before, image):  # too little of the hand is visible
        return person
    nowhere = np.full_like(chosen.keypoints, np.nan)
    changed = replace(chosen, state=_STATES[kind], keypoints=nowhere)
    return replace(person, hands=tuple(changed if hand is chosen else hand for hand in person.hands))


def _side(hand: HandTruth) -> float:
    x0, y0, x1, y1 = hand.box
    return max(x1 - x0, y1 - y0)
