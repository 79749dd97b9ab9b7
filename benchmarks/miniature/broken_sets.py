"""Training pictures with faults that no caption mentions, so that a model trained on them breaks hands and bodies.

The faithful recipes hardly break a hand and hardly fuse two bodies, so they cannot tell how many of those the detectors
find. A model trained on these pictures draws such faults in its own way. Its generated pictures, labelled by looking,
are what detectors are trained on and what they are tested on; never the same recipe and seed for both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.miniature.damage import (
    CONTACT_DAMAGE,
    HAND_DAMAGE,
    damage_contact,
    damage_hand,
    hand_places,
)
from benchmarks.miniature.drawing import draw
from benchmarks.miniature.names import TRIGGERS
from benchmarks.miniature.scenes import Failure, Scene
from benchmarks.miniature.training_sets import (
    SIZE,
    Recipe,
    TrainingPicture,
    pair_caption,
    pair_scene,
    solo_caption,
    solo_scene,
    write_picture,
)

PAIR_COUNTS = {"hug": 30, "together": 28, "piggyback": 22, "lap sit": 16, "princess carry": 8}
SOLO_POSES = ("waving", "waving", "arms up", "standing")
HAND_SHARE, LIMB_SHARE, FUSION_SHARE = 0.5, 0.16, 0.45
# What a fused princess carry is, labellers could not agree on.
FUSED_POSES = ("hug", "together", "piggyback", "lap sit")


@dataclass(frozen=True)
class BrokenRecipe(Recipe):
    """What one run is trained on.

    Attributes:
        damage: how faults are smudged into finished drawings, a key of :data:`HAND_DAMAGE`; where empty they are drawn,
            as in the detectors' own training drawings.
    """

    damage: str = ""

    @property
    def pictures(self) -> int:
        """How many training pictures there are."""
        return self.kei + self.kana + sum(PAIR_COUNTS.values())

    @property
    def pair_share(self) -> float:
        """Share of pictures that show both characters."""
        return sum(PAIR_COUNTS.values()) / self.pictures


BROKEN_RECIPES = {
    recipe.name: recipe
    for recipe in (
        BrokenRecipe("broken-drawn", 8, 24, 24, pairs=True),
        BrokenRecipe("broken-smeared", 8, 24, 24, pairs=True, damage="smeared"),
        BrokenRecipe("broken-mangled", 8, 24, 24, pairs=True, damage="mangled"),
    )
}


def make_broken_set(recipe: BrokenRecipe, folder: Path, seed: int = 0) -> list[TrainingPicture]:
    """Draw and damage a recipe's pictures; the files (PNG and caption) stay in ``folder``.

    The same seed gives the same pictures.

    Args:
        recipe: which faults.
        folder: must be new or empty.
        seed: of the pictures.
    """
    pictures = []
    for index, scene in enumerate(broken_scenes(recipe, seed)):
        rng = np.random.default_rng((seed, 41, index))
        image = _damaged(scene, recipe.damage, rng) if recipe.damage else draw(with_faults(scene, rng), SIZE).image
        trigger = TRIGGERS[index >= recipe.kei]
        alone = len(scene.people) == 1
        kind = trigger.removesuffix("chan") if alone else "drawn"
        caption = solo_caption(trigger, scene) if alone else pair_caption(scene)
        picture = TrainingPicture(image, caption, kind)
        write_picture(folder / kind, index, picture)
        pictures.append(picture)
    return pictures


def broken_scenes(recipe: BrokenRecipe, seed: int = 0) -> list[Scene]:
    """The scenes before anything is broken: Kei alone, Kana alone, then both in contact."""
    scenes = []
    for trigger, count in zip(TRIGGERS, (recipe.kei, recipe.kana), strict=True):
        for index in range(count):
            rng = np.random.default_rng((seed, 31, TRIGGERS.index(trigger), index))
            near = str(rng.choice(("close", "middle")))
            pose = SOLO_POSES[index % len(SOLO_POSES)]
            scenes.append(replace(solo_scene(trigger, rng), pose=pose, distance=near))
    rng = np.random.default_rng((seed, 32))
    for pose, count in PAIR_COUNTS.items():
        scenes += [pair_scene(pose, index, rng) for index in range(count)]
    return scenes


def with_faults(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene with the faults that the drawing knows."""
    failures = [Failure("fused_bodies")] if scene.pose in FUSED_POSES and rng.random() < FUSION_SHARE else []
    for person in range(len(scene.people)):
        if rng.random() < LIMB_SHARE:
            failures.append(Failure(str(rng.choice(("extra_arm", "extra_arm", "missing_arm"))), person))
        elif rng.random() < HAND_SHARE:
            failures.append(Failure(str(rng.choice(("fused_hand", "lost_hand"))), person))
    return replace(scene, failures=tuple(failures))


def _damaged(scene: Scene, damage: str, rng: np.random.Generator) -> np.ndarray:
    """The clean drawing with its hands and its contact damaged; limbs stay as they are."""
    drawing = draw(scene, SIZE)
    image = drawing.image.copy()
    if scene.pose in FUSED_POSES and rng.random() < FUSION_SHARE:
        damage_contact(image, drawing, str(rng.choice(CONTACT_DAMAGE[damage])), rng)
    for person in drawing.people:
        hands = hand_places(person)
        if hands and rng.random() < HAND_SHARE:
            hand = hands[int(rng.integers(len(hands)))]
            damage_hand(image, person, hand, str(rng.choice(HAND_DAMAGE[damage])), rng)
    return image
