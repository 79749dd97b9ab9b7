"""What a drawing really shows, in the detectors' words, and whether anybody could see it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.miniature.scenes import Look
from benchmarks.miniature.truth import Drawing, PersonTruth
from detectors.vocabulary import ROLES

Box = tuple[float, float, float, float]
# Label codes of the stored maps, ``owner * 16 + code``; owner 0 is background.
PART_CODES = {
    "skin": 1,
    "head": 2,
    "hair": 3,
    "ahoge": 4,
    "body": 5,
    "arm": 6,
    "hand": 7,
    "leg": 8,
    "ribbon": 9,
}
# Visible pixels, for a head of 74 pixels' height, below which a thing cannot be judged.
_HEAD_HEIGHT = 74.0
_MIN_FACE = 650.0
_CLEAR_FACE = 1150.0
_MIN_AHOGE = {"ahoge": 110.0, "tuft": 14.0}
# About a tenth of what is visible of body and sleeves of somebody who stands free.
_MIN_CLOTHES = 450.0


@dataclass(frozen=True)
class Drawn:
    """One person as drawn, faults applied.

    Attributes:
        hair_color, hair_length, hair_style, ahoge, eye_color, outfit, outfit_color: what the picture shows; ``ahoge``
            is one of ``none``, ``tuft`` and ``ahoge``, or ``None`` where too little of it is visible.
        judgeable: enough of the head is visible to say anything about it.
        dressed: enough of body and arms is visible to tell what she wears.
    """

    hair_color: str
    hair_length: str
    hair_style: str
    ahoge: str | None
    judgeable: bool
    eye_color: str
    outfit: str
    outfit_color: str
    dressed: bool


def label_map(drawing: Drawing) -> NDArray[np.uint8]:
    """One map of ``owner * 16 + part code``, (H, W)."""
    labels = np.zeros(drawing.image.shape[:2], np.uint8)
    for owner, person in enumerate(drawing.people, start=1):
        for name, code in PART_CODES.items():
            labels[person.parts[name]] = owner * 16 + code
    return labels


def scale_of(drawing: Drawing) -> float:
    """How large people are drawn, 1.0 for a head of 74 pixels."""
    heights = [p.head_box[3] - p.head_box[1] for p in drawing.people if p.parts["head"].any()]
    return max(heights, default=_HEAD_HEIGHT) / _HEAD_HEIGHT


def drawn(drawing: Drawing, index: int) -> Drawn:
    """What person ``index`` looks like in the picture."""
    person = drawing.people[index]
    look = person.look
    kinds = {f.kind for f in drawing.scene.failures if f.person == index and not person.extra}
    other = _other(drawing, index)
    pulled, shortened = "hair_pull" in kinds, "hair_cut" in kinds
    length = "long" if pulled else "short" if shortened else look.hair_length
    ahoge = _ahoge(look, kinds)
    area = scale_of(drawing) ** 2
    visible = float(person.parts["ahoge"].sum())
    judgeable = float(person.parts["head"].sum()) >= _MIN_FACE * area
    shown: str | None = ahoge
    if not judgeable or (ahoge != "none" and visible < _MIN_AHOGE[ahoge] * area):
        shown = None
    return Drawn(
        hair_color=other.hair_color if "hair_color" in kinds and other else look.hair_color,
        hair_length=length,
        hair_style="straight" if pulled or shortened else look.hair_style,
        ahoge=shown,
        judgeable=judgeable,
        eye_color=look.eye_color,
        outfit=look.outfit,
        outfit_color=look.outfit_color,
        dressed=float(person.parts["body"].sum() + person.parts["arm"].sum()) >= _MIN_CLOTHES * area,
    )


def kinds_of(drawing: Drawing, index: int) -> set[str]:
    """The faults that a person is drawn with."""
    return {f.kind for f in drawing.scene.failures if f.person == index and not drawing.people[index].extra}


def role_of(drawing: Drawing, index: int) -> str | None:
    """What a person does, one of ``ROLES``; ``None`` of somebody nobody asked for, and beside such a one."""
    scene = drawing.scene
    if drawing.people[index].extra or (len(scene.people) == 1 and len(drawing.people) > 1):
        return None
    pose = scene.pose.replace(" ", "_")
    return f"{pose}_{('below', 'above')[index]}" if f"{pose}_below" in ROLES else pose


def limbs_of(drawing: Drawing, index: int) -> str | None:
    """One of ``LIMBS``; ``None`` where the fault cannot be seen."""
    kinds, scene = kinds_of(drawing, index), drawing.scene
    legs = kinds & {"extra_leg", "missing_leg"}
    hidden = scene.distance == "close" or (scene.pose, index) == ("lap sit", 0)
    if legs and hidden and not kinds & {"extra_arm", "missing_arm"}:
        return None
    if kinds & {"extra_leg", "extra_arm"}:
        return "extra"
    return "missing" if kinds & {"missing_leg", "missing_arm"} else "whole"


def face_of(drawing: Drawing, index: int) -> str | None:
    """One of ``FACES``; ``None`` where too little of the face is visible to tell."""
    person = drawing.people[index]
    if float(person.parts["head"].sum()) < _CLEAR_FACE * scale_of(drawing) ** 2:
        return None
    return "broken" if "broken_face" in kinds_of(drawing, index) else "whole"


def ghost_of(drawing: Drawing, index: int) -> str | None:
    """One of ``GHOSTS``; ``None`` for a person beside whom another one's ghost may lie."""
    own, every = kinds_of(drawing, index), {f.kind for f in drawing.scene.failures}
    if "burnt" in every:
        return "burnt"
    for kind in ("doubled", "leftover"):
        if kind in own:
            return kind
    return None if every & {"doubled", "leftover"} and len(drawing.people) > 1 else "clean"


def arms_of(drawing: Drawing, index: int) -> str | None:
    """One of ``ARMS``; ``None`` of an extra person."""
    scene = drawing.scene
    if drawing.people[index].extra:
        return None
    return scene.arms if scene.pose in ("standing", "apart") else "free"


def _other(drawing: Drawing, index: int) -> Look | None:
    looks = drawing.scene.people
    if index >= len(looks):
        return None
    return looks[(index + 1) % len(looks)] if len(looks) > 1 else drawing.scene.rival


def _ahoge(look: Look, kinds: set[str]) -> str:
    if (look.ahoge and "ahoge_missing" not in kinds) or "ahoge_bleed" in kinds:
        return "ahoge"
    return "tuft" if "ahoge_tuft" in kinds else "none"


def hands_of(person: PersonTruth, scale: float) -> list[tuple[str, Box, bool, NDArray[np.float32]]]:
    """(state, box, gripping, keypoints) of every hand; an extra person's are read from the mask."""
    if not person.extra:
        return [(h.state, h.box, h.gripping, h.keypoints) for h in person.hands]
    count, _, stats, _ = cv2.connectedComponentsWithStats(person.parts["hand"].astype(np.uint8))
    hands = []
    for x, y, w, h, area in stats[1:count]:
        state = "holds" if area > 190 * scale**2 else "occluded"
        box = (float(x), float(y), float(x + w), float(y + h))
        hands.append((state, box, False, np.full((6, 2), np.nan, np.float32)))
    return sorted(hands, key=lambda hand: hand[1])[:2]


def fused(drawing: Drawing) -> bool:
    """Whether the two bodies are melted together."""
    return any(f.kind == "fused_bodies" for f in drawing.scene.failures)
