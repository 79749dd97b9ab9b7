"""Scenes to train, calibrate and test detectors on: faults on purpose, hard cases often, and seeds that never meet."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from benchmarks.miniature.scenes import (
    BACKGROUNDS,
    CONTACT_POSES,
    EYE_COLORS,
    FRESH2_BACKGROUNDS,
    FRESH_BACKGROUNDS,
    HAIR_COLORS,
    HELD_OUT_BACKGROUNDS,
    KANA,
    KEI,
    LEGWEAR,
    OUTFIT_COLORS,
    OUTFITS,
    PAIR_POSES,
    PATTERNS,
    ROWS,
    SETTLING_BACKGROUNDS,
    SOLO_POSES,
    THICKET,
    Failure,
    Look,
    Scene,
    Style,
    sample_look,
)

Split = Literal["train", "validation", "test", "fresh", "fresh2", "settling"]
# Each split owns its own range of drawing seeds, so no drawing of one can appear in another.
SEED_RANGES: dict[str, tuple[int, int]] = {
    "train": (0, 2**29),
    "validation": (2**29, 2**30),
    "test": (2**30, 2**31),
    "fresh": (2**31, 2**32),
    "settling": (2**32, 2**33),
    "fresh2": (2**33, 2**34),
}
# (line widths, inks, head sizes, figure widths, hair shapes): nobody is trained on what the others are drawn in.
_STYLES = {
    "train": (
        (0.7, 0.75, 1.0, 1.0, 1.05, 1.35, 1.4, 1.7),
        ("brown", "brown", "black", "forest", "rust", "slate"),
        (0.91, 0.94, 1.0, 1.0, 1.06, 1.08),
        (0.9, 0.96, 1.0, 1.0, 1.04, 1.1),
        (0, 0, 1, 4, 5, 6),
    ),
    "test": ((0.85, 1.2, 1.5), ("blue", "plum"), (0.97, 1.03), (0.93, 0.98, 1.02, 1.07), (2, 3)),
    "settling": ((0.8, 1.12, 1.55), ("umber", "teal"), (0.925, 0.985, 1.045), (0.915, 0.97, 1.055), (7, 8)),
}
# Share of training and validation drawings before random shapes instead of a place, and of training drawings before
# rows of thin things.
_PATTERN_SHARE, _ROW_SHARE = 0.4, 0.25
# Of all of these in training, how many stand before thin things right behind heads instead, and how often an ahoge may
# stray from its usual shape.
_THICKET_SHARE, _STRAY_SHARE = 0.25, 0.5
_HELD_OUT: dict[str, tuple[str, ...]] = {
    "test": HELD_OUT_BACKGROUNDS,
    "fresh": FRESH_BACKGROUNDS,
    "fresh2": FRESH2_BACKGROUNDS,
    "settling": SETTLING_BACKGROUNDS,
}
_DRAWN_AS = {"validation": "train", "fresh": "test", "fresh2": "test"}
_STREAMS = {"train": 1, "validation": 2, "test": 3, "fresh": 4, "settling": 5, "fresh2": 6}
_HAND_FAULTS = ("lost_hand", "fused_hand", "minor_hand")


def scene_of(split: Split, index: int, seed: int = 0) -> Scene:
    """Scene number ``index`` of a split; ``seed`` gives another independent series of the same split.

    Line style, proportions, hair shapes and backgrounds of the test split appear in no split that anything is trained
    or settled on. The fresh split has the same styles before other backgrounds, which nobody had looked at either;
    fresh2 once more, before others with thin things, drawn once what lies behind the fresh split was known.
    Nothing is trained on the settling split or measured on it: its styles and backgrounds are neither the training's
    nor the tests', so a threshold that leaves its sound drawings alone does not rest on what the networks know.
    """
    rng = np.random.default_rng((_STREAMS[split], seed, index))
    scene = _scene(rng)
    scene = replace(scene, seed=int(rng.integers(*SEED_RANGES[split])))
    scene = _widened(scene, split, np.random.default_rng((_STREAMS[split], seed, index, 5)))
    return _among_thin(scene, np.random.default_rng((_STREAMS[split], seed, index, 6))) if split == "train" else scene


def style_of(split: Split, rng: np.random.Generator) -> Style:
    """A random style of those that a split is drawn in."""
    lines, inks, heads, widths, hairs = _STYLES[_DRAWN_AS.get(split, split)]
    return Style(
        line=float(rng.choice(lines)),
        ink=str(rng.choice(inks)),
        head=float(rng.choice(heads)),
        width=float(rng.choice(widths)),
        hair=int(rng.choice(hairs)),
    )


def _widened(scene: Scene, split: Split, rng: np.random.Generator) -> Scene:
    """The scene in one of the split's styles, with the faults and near misses that its base was sampled without."""
    people = list(scene.people)
    if scene.pose == "apart" and rng.random() < 0.25:
        people += [_look(rng) for _ in range(int(rng.integers(1, 3)))]
    ahoges = {f.person for f in scene.failures if f.kind in ("ahoge_bleed", "ahoge_tuft")}
    for i, look in enumerate(people):
        if not look.ahoge and i not in ahoges and rng.random() < 0.15:
            people[i] = replace(look, hat=True)
    scene = replace(
        scene,
        people=tuple(people),
        background=_background(scene, split, rng),
        arms=str(rng.choice(("free", "crossed", "behind"), p=(0.6, 0.2, 0.2))),
        style=style_of(split, rng),
        rival=_look(rng),
    )
    return replace(scene, failures=(*scene.failures, *_more_failures(scene, rng)))


def _among_thin(scene: Scene, rng: np.random.Generator) -> Scene:
    """A training scene where strands are hard to tell: before thin things, or of an unusual shape."""
    if rng.random() < _THICKET_SHARE:
        scene = replace(scene, background=THICKET)
    if rng.random() < _STRAY_SHARE:
        scene = replace(scene, style=replace(scene.style, strand=float(rng.uniform(0.2, 1))))
    return scene


def _background(scene: Scene, split: Split, rng: np.random.Generator) -> str:
    if split in _HELD_OUT:
        return str(rng.choice(_HELD_OUT[split]))
    place = rng.random()
    if place < _PATTERN_SHARE:
        return PATTERNS
    return ROWS if split == "train" and place < _PATTERN_SHARE + _ROW_SHARE else scene.background


def _more_failures(scene: Scene, rng: np.random.Generator) -> list[Failure]:
    faults: list[Failure] = []
    held = scene.arms != "free" and scene.pose in ("standing", "apart")
    for person, look in enumerate(scene.people):
        kinds = {f.kind for f in scene.failures if f.person == person}
        hands = any(kind.endswith("_hand") for kind in kinds)
        new: list[str] = []
        swapped = rng.random() < 0.05
        new += [kind for kind in ("eye_color", "outfit", "hair_color") if swapped or rng.random() < 0.06]
        if look.hair_length == "long" and rng.random() < 0.1:
            new.append("hair_cut")
        if rng.random() < 0.14 and "extra_leg" not in kinds:
            limbs = ("missing_leg", "extra_arm") if hands or held else ("missing_leg", "extra_arm", "missing_arm")
            new.append(str(rng.choice(limbs)))
        if rng.random() < 0.12:
            new.append("broken_face")
        if rng.random() < 0.08:
            new.append(str(rng.choice(("doubled", "leftover"))))
        faults += [Failure(kind, person) for kind in new if kind not in kinds]
    if rng.random() < 0.05:
        faults.append(Failure("burnt"))
    return faults


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
