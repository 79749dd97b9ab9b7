"""Drawn cases with what the detectors ought to say about them, to calibrate and to measure on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.detectors.answers import answers_of, outcome_of
from benchmarks.detectors.sampling import SEED_RANGES, Split, scene_of
from benchmarks.miniature.drawing import draw
from benchmarks.miniature.scenes import (
    CONTACT_POSES,
    HAIR_COLORS,
    HAIR_LENGTHS,
    OUTFIT_COLORS,
    OUTFITS,
    PAIR_POSES,
    SOLO_POSES,
    Look,
    Scene,
    sample_look,
)
from benchmarks.miniature.truth import Drawing
from detectors import Attributes, Change, Character, Expectation
from detectors.profiles.table import CHECKS

__all__ = ["CHECKS", "NAMES", "Case", "case_of", "character"]

NAMES = ("first", "second", "third", "fourth")
ROLE_POSES = ("piggyback", "princess carry", "lap sit")
# How often a case asks for somebody who is not drawn, and how often it draws one of two twice.
_MISSING, _COPY = 0.06, 0.05
# How often a case asks for another pose, names the wrong one as below, asks for a change, allows another outfit.
_OTHER_POSE, _REVERSED, _CHANGED, _WARDROBE = 0.12, 0.25, 0.15, 0.12


@dataclass(frozen=True)
class Case:
    """One picture, what was asked for, and the right answers.

    Attributes:
        drawing: the drawing with its truth.
        image: the picture to judge; the drawing's own, or a degraded one.
        expectation: what was asked for; the cast's names are :data:`NAMES`, that of a solo case's rival is ``rival``.
        truth: right answer by (check, character); ``holds``, ``minor``, ``fails``, or for hands their worst state, or
            ``hidden`` behind the back, as clothes that are covered are. ``None`` where nobody could tell: of ahoge and
            hands, whose they are where she looks at least as much like another of the cast (and heads differ), and
            whether a hand is lost where its whole arm is missing, which ``limbs`` counts; of cast, bleed and pose,
            what differs between how the cast is drawn and how it looks most like itself. ``…_as_drawn`` has what is
            drawn there too.
        outcome: the right kind of assignment, ``clear``, ``swap``, ``blend``, ``dominance`` or ``drift``; ``None``
            where heads are hidden or people are missing.
        tags: the hard cases this picture is one of.
    """

    drawing: Drawing
    image: NDArray[np.uint8]
    expectation: Expectation
    truth: Mapping[tuple[str, str | None], str | None]
    outcome: str | None
    tags: frozenset[str]


def case_of(split: Split, index: int, seed: int = 0, *, clean: bool = False) -> Case:
    """Case number ``index`` of a split; a ``clean`` one has no fault and shows what was asked for."""
    rng = np.random.default_rng((77, SEED_RANGES[split][0], seed, index))
    scene = scene_of(split, index, seed)
    if clean:
        scene = replace(scene, failures=())
        asked = scene.people
    else:
        scene, asked = _cast(scene, rng)
    drawing = draw(scene)
    asking = np.random.default_rng((78, SEED_RANGES[split][0], seed, index))
    expectation = _plainly(scene) if clean else _expectation(scene, asked, asking)
    truth = answers_of(drawing, expectation)
    return Case(drawing, drawing.image, expectation, truth, outcome_of(drawing, expectation), _tags(drawing))


def _cast(scene: Scene, rng: np.random.Generator) -> tuple[Scene, tuple[Look, ...]]:
    """The scene to draw and who is asked for: sometimes somebody else besides, or one of two drawn twice."""
    asked, kind = scene.people, rng.random()
    if kind < _MISSING and len(asked) <= 2:
        scene = replace(scene, failures=tuple(f for f in scene.failures if f.kind != "extra_person"))
        asked = (*asked, sample_look(rng)) if len(asked) == 1 else asked
        if len(scene.people) == 2:
            scene = replace(scene, people=asked[:1], pose=str(rng.choice(SOLO_POSES)), failures=())
    elif kind < _MISSING + _COPY and len(asked) == 2 and _wholly_other(*asked):
        scene = replace(scene, people=(asked[1], asked[1]), failures=())
    return scene, asked


def _plainly(scene: Scene) -> Expectation:
    """Exactly what is drawn."""
    return Expectation(
        cast=tuple(character(name, look) for name, look in zip(NAMES, scene.people, strict=False)),
        pose=scene.pose.replace(" ", "_"),
        contact=scene.pose in CONTACT_POSES,
        distance=scene.distance,
        checks=CHECKS,
        others=(character("rival", scene.rival),) if len(scene.people) == 1 and scene.rival else (),
        below=NAMES[0] if scene.pose in ROLE_POSES else None,
    )


def _expectation(scene: Scene, asked: tuple[Look, ...], rng: np.random.Generator) -> Expectation:
    cast = [character(name, look) for name, look in zip(NAMES, asked, strict=False)]
    changes: list[Change] = []
    for index, member in enumerate(cast[: len(scene.people)]):
        if rng.random() < _CHANGED:
            cast[index], change = _changed(member, scene.people[index], rng)
            changes.append(change)
        elif rng.random() < _WARDROBE:
            usual = f"{rng.choice(OUTFIT_COLORS)} {rng.choice(OUTFITS)}"
            allowed = (str(member.attributes.outfit),) if rng.random() < 0.6 else ()
            cast[index] = replace(member, attributes=replace(member.attributes, outfit=usual, outfits=allowed))
    pose, below = scene.pose, None
    if rng.random() < _OTHER_POSE and len(scene.people) <= 2:
        others = [name for name in (SOLO_POSES if len(scene.people) == 1 else PAIR_POSES) if name != pose]
        pose = str(rng.choice(others))
    elif pose in ROLE_POSES and len(asked) == 2:
        below = NAMES[1 if rng.random() < _REVERSED else 0]
    others_ = (character("rival", scene.rival),) if len(asked) == 1 and scene.rival else ()
    return Expectation(
        cast=tuple(cast),
        pose=pose.replace(" ", "_"),
        contact=scene.pose in CONTACT_POSES,
        distance=scene.distance,
        checks=CHECKS,
        others=others_,
        below=below,
        changes=tuple(changes),
        bystanders=bool(rng.random() < 0.3),
    )


def _changed(member: Character, look: Look, rng: np.random.Generator) -> tuple[Character, Change]:
    """A character of whom something else is asked than she owns: half of the time the drawing follows."""
    attribute = str(rng.choice(("hair_color", "hair_length", "outfit")))
    drawn = {"hair_color": look.hair_color, "hair_length": look.hair_length, "outfit": member.attributes.outfit}[
        attribute
    ]
    other = drawn
    while other == drawn:
        other = {
            "hair_color": str(rng.choice(HAIR_COLORS)),
            "hair_length": str(rng.choice(HAIR_LENGTHS)),
            "outfit": f"{rng.choice(OUTFIT_COLORS)} {rng.choice(OUTFITS)}",
        }[attribute]
    if rng.random() < 0.5:
        owner = replace(member, attributes=replace(member.attributes, **{attribute: other}))  # type: ignore[arg-type]
        return owner, Change(member.name, attribute, str(drawn))
    return member, Change(member.name, attribute, str(other))


def character(name: str, look: Look) -> Character:
    """A character that owns a drawn look."""
    outfit = f"{look.outfit_color} {look.outfit}"
    return Character(name, name, Attributes(look.hair_color, look.hair_length, look.ahoge, look.eye_color, outfit))


def _wholly_other(one: Look, other: Look) -> bool:
    return all(getattr(one, name) != getattr(other, name) for name in ("hair_color", "hair_length", "eye_color"))


def _tags(drawing: Drawing) -> frozenset[str]:
    scene = drawing.scene
    tags = {scene.pose, scene.distance}
    if any(look.ribbon for look in scene.people):
        tags.add("ribbon")
    if any(look.hat for look in scene.people):
        tags.add("hat")
    if any(look.hair_style == "twintails" for look in scene.people):
        tags.add("twin tails")
    if scene.pose in CONTACT_POSES:
        tags.add("contact")
    if scene.pose in ("standing", "apart") and scene.arms != "free":
        tags.add(f"arms {scene.arms}")
    if len(scene.people) > 2:
        tags.add("three or four")
    if _ahoge_overlaps(drawing):
        tags.add("overlapping ahoge")
    if not scene.failures:
        tags.add("clean")
    return frozenset(tags)


def _ahoge_overlaps(drawing: Drawing) -> bool:
    """Whether one person's ahoge touches another person."""
    kernel = np.ones((5, 5), np.uint8)
    for person in drawing.people:
        strand = cv2.dilate(person.parts["ahoge"].astype(np.uint8), kernel) > 0
        if any((strand & other.mask).any() for other in drawing.people if other is not person):
            return True
    return False
