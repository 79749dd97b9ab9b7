"""Drawn cases with what the detectors ought to say about them, to calibrate and to measure on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.detectors.sampling import SEED_RANGES, Split, scene_of
from benchmarks.detectors.truths import drawn, fused, scale_of
from benchmarks.miniature.drawing import draw
from benchmarks.miniature.scenes import CONTACT_POSES, SOLO_POSES, Look, sample_look
from benchmarks.miniature.truth import Drawing
from detectors import Attributes, Character, Expectation

CHECKS = ("cast", "ahoge_bleed", "ahoge_missing", "fusion", "hands")
WORST_HANDS = ("lost", "fused", "minor", "holds")
# How often a case asks for somebody who is not drawn, and how often it draws one of two twice.
_MISSING, _COPY = 0.06, 0.04
# An extra or asked person with fewer visible pixels, for a head of 74 pixels' height, is left to nobody's judgement.
_MIN_PERSON = 500.0


@dataclass(frozen=True)
class Case:
    """One picture, what was asked for, and the right answers.

    Attributes:
        drawing: the drawing with its truth.
        image: the picture to judge; the drawing's own, or a degraded one.
        expectation: what was asked for; the cast's names are ``first`` and ``second``.
        truth: right answer by (check, character); ``holds``, ``minor``, ``fails``, or for hands their worst state.
            ``None`` where nobody could tell.
        tags: the hard cases this picture is one of.
    """

    drawing: Drawing
    image: NDArray[np.uint8]
    expectation: Expectation
    truth: Mapping[tuple[str, str | None], str | None]
    tags: frozenset[str]


def case_of(split: Split, index: int, seed: int = 0) -> Case:
    """Case number ``index`` of a split."""
    rng = np.random.default_rng((77, SEED_RANGES[split][0], seed, index))
    scene = scene_of(split, index, seed)
    asked, kind = scene.people, rng.random()
    if kind < _MISSING:
        scene = replace(scene, failures=tuple(f for f in scene.failures if f.kind != "extra_person"))
        asked = (*asked, sample_look(rng)) if len(asked) == 1 else asked
        if len(scene.people) == 2:
            scene = replace(scene, people=asked[:1], pose=str(rng.choice(SOLO_POSES)), failures=())
    elif kind < _MISSING + _COPY and len(asked) == 2 and _wholly_other(*asked):
        scene = replace(scene, people=(asked[1], asked[1]), failures=())
    drawing = draw(scene)
    cast = tuple(character(name, look) for name, look in zip(("first", "second"), asked, strict=False))
    expectation = Expectation(
        cast=cast,
        pose=scene.pose.replace(" ", "_"),
        contact=scene.pose in CONTACT_POSES,
        distance=scene.distance,
        checks=CHECKS,
    )
    return Case(drawing, drawing.image, expectation, _truth(drawing, expectation), _tags(drawing))


def character(name: str, look: Look) -> Character:
    """A character that owns a drawn look."""
    outfit = f"{look.outfit_color} {look.outfit}"
    return Character(name, name, Attributes(look.hair_color, look.hair_length, look.ahoge, look.eye_color, outfit))


def _wholly_other(one: Look, other: Look) -> bool:
    return all(getattr(one, name) != getattr(other, name) for name in ("hair_color", "hair_length", "eye_color"))


def _truth(drawing: Drawing, expectation: Expectation) -> dict[tuple[str, str | None], str | None]:
    truth: dict[tuple[str, str | None], str | None] = {("cast", None): _cast(drawing, expectation)}
    if len(expectation.cast) == 2 and expectation.contact:
        truth["fusion", None] = "fails" if fused(drawing) else "holds"
    for index, member in enumerate(expectation.cast):
        if index >= len(drawing.scene.people):
            continue
        shown = drawn(drawing, index)
        answer: str | None
        if member.attributes.ahoge:
            answer = {"ahoge": "holds", "tuft": "minor", "none": "fails"}.get(shown.ahoge or "")
            truth["ahoge_missing", member.name] = answer
        else:
            answer = {"ahoge": "fails", "tuft": "minor", "none": "holds"}.get(shown.ahoge or "")
            truth["ahoge_bleed", member.name] = answer
        states = {hand.state for hand in drawing.people[index].hands} - {"occluded"}
        truth["hands", member.name] = min(states, key=WORST_HANDS.index, default=None)
    return truth


def _cast(drawing: Drawing, expectation: Expectation) -> str | None:
    people, asked = drawing.scene.people, expectation.cast
    areas = [float(person.mask.sum()) for person in drawing.people]
    if min(areas) < _MIN_PERSON * scale_of(drawing) ** 2:
        return None
    copy = len(people) == 2 and people[0] == people[1]
    return "fails" if len(drawing.people) != len(asked) or copy else "holds"


def _tags(drawing: Drawing) -> frozenset[str]:
    scene = drawing.scene
    tags = {scene.pose, scene.distance}
    if any(look.ribbon for look in scene.people):
        tags.add("ribbon")
    if any(look.hair_style == "twintails" for look in scene.people):
        tags.add("twin tails")
    if scene.pose in CONTACT_POSES:
        tags.add("contact")
    if _ahoge_overlaps(drawing):
        tags.add("overlapping ahoge")
    return frozenset(tags)


def _ahoge_overlaps(drawing: Drawing) -> bool:
    """Whether one person's ahoge touches another person."""
    kernel = np.ones((5, 5), np.uint8)
    for person in drawing.people:
        strand = cv2.dilate(person.parts["ahoge"].astype(np.uint8), kernel) > 0
        if any((strand & other.mask).any() for other in drawing.people if other is not person):
            return True
    return False
