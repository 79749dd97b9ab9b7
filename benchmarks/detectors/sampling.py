"""Scenes to train, calibrate and test detectors on: faults on purpose, hard cases often, and seeds that never meet."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from benchmarks.miniature.scenes import (
    BACKGROUNDS,
    CONTACT_POSES,
    EYE_COLORS,
    HAIR_COLORS,
    KANA,
    KEI,
    LEGWEAR,
    OUTFIT_COLORS,
    OUTFITS,
    PAIR_POSES,
    SOLO_POSES,
    Failure,
    Look,
    Scene,
    sample_look,
)

Split = Literal["train", "validation", "test"]
# Each split owns its own range of drawing seeds, so no drawing of one can appear in another.
SEED_RANGES: dict[str, tuple[int, int]] = {
    "train": (0, 2**29),
    "validation": (2**29, 2**30),
    "test": (2**30, 2**31),
}
_STREAMS = {"train": 1, "validation": 2, "test": 3}
_HAND_FAULTS = ("lost_hand", "fused_hand", "minor_hand")


def scene_of(split: Split, index: int, seed: int = 0) -> Scene:
    """Scene number ``index`` of a split; ``seed`` gives another independent series of the same split."""
    rng = np.random.default_rng((_STREAMS[split], seed, index))
    scene = _scene(rng)
    return replace(scene, seed=int(rng.integers(*SEED_RANGES[split])))


def _scene(rng: np.random.Generator) -> Scene:
    if rng.random() < 0.22:
        people: tuple[Look, ...] = (_look(rng),)
        pose = str(rng.choice(SOLO_POSES))
    else:
        people = (_look(rng), _look(rng))
        if rng.random() < 0.15:
            people = (KEI, KANA) if rng.random() < 0.5 else (KANA, KEI)
        pose = str(rng.choice(PAIR_POSES, p=(0.13, 0.17, 0.19, 0.17, 0.17, 0.17)))
    scene = Scene(
        people=people,
        pose=pose,
        distance=str(rng.choice(("close", "middle", "far"), p=(0.3, 0.52, 0.18))),
        background=str(rng.choice(BACKGROUNDS)),
        flipped=bool(rng.random() < 0.5),
    )
    return replace(scene, failures=_failures(scene, rng))


def _look(rng: np.random.Generator) -> Look:
    """Anybody, also the looks that the base model's training leaves out, with ribbons and twin tails often."""
    if rng.random() < 0.4:
        return sample_look(rng)
    if rng.random() < 0.2:
        own = KEI if rng.random() < 0.5 else KANA
        return replace(own, outfit_color=str(rng.choice(OUTFIT_COLORS)), ribbon=bool(rng.random() < 0.3))
    long = bool(rng.random() < 0.55)
    return Look(
        hair_color=str(rng.choice(HAIR_COLORS)),
        hair_length="long" if long else "short",
        hair_style=str(rng.choice(("straight", "twintails", "ponytail"), p=(0.4, 0.35, 0.25))) if long else "straight",
        ahoge=bool(rng.random() < 0.45),
        ribbon=bool(rng.random() < 0.35),
        eye_color=str(rng.choice(EYE_COLORS)),
        outfit=str(rng.choice(OUTFITS)),
        outfit_color=str(rng.choice(OUTFIT_COLORS)),
        legwear=str(rng.choice(LEGWEAR)),
        smile=bool(rng.random() < 0.5),
    )


def _failures(scene: Scene, rng: np.random.Generator) -> tuple[Failure, ...]:
    faults = []
    for person, look in enumerate(scene.people):
        if look.ahoge and rng.random() < 0.25:
            faults.append(Failure("ahoge_missing", person))
        elif not look.ahoge and rng.random() < 0.5:
            faults.append(Failure("ahoge_bleed" if rng.random() < 0.5 else "ahoge_tuft", person))
        if rng.random() < 0.55:
            faults.append(Failure(str(rng.choice(_HAND_FAULTS, p=(0.4, 0.3, 0.3))), person))
        if len(scene.people) == 2 and rng.random() < 0.06:
            faults.append(Failure("hair_color", person))
        if len(scene.people) == 2 and look.hair_length == "short" and rng.random() < 0.1:
            faults.append(Failure("hair_pull", person))
        if rng.random() < 0.04:
            faults.append(Failure("extra_leg", person))
    if scene.pose in CONTACT_POSES and rng.random() < 0.3:
        faults.append(Failure("fused_bodies", 0))
    if rng.random() < (0.25 if len(scene.people) == 1 else 0.08):
        faults.append(Failure("extra_person", 0))
    return tuple(faults)
