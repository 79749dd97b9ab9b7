"""The training pictures of the two LoRA characters, following the two recipes to scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.miniature.captions import DISTANCE_TAGS, POSE_TAGS, QUALITY, SENTENCES
from benchmarks.miniature.drawing import draw
from benchmarks.miniature.names import TRIGGERS
from benchmarks.miniature.scenes import BACKGROUNDS, DISTANCES, KANA, KEI, SOLO_POSES, Look, Scene

SIZE = 256
COMPOSED, DRAWN = 8, 12
DRAWN_POSES = (*["together"] * 4, *["hug"] * 4, *["piggyback"] * 2, "princess carry", "lap sit")
ROLE_POSES = ("piggyback", "princess carry", "lap sit")
USUAL_OUTFIT_SHARE = 0.6
OTHER_OUTFITS = {
    "keichan": (("serafuku", "blue"), ("dress", "white"), ("hoodie", "pink")),
    "kanachan": (("t-shirt", "red"), ("hoodie", "black"), ("dress", "yellow")),
}
LOOKS = dict(zip(TRIGGERS, (KEI, KANA), strict=True))


@dataclass(frozen=True)
class Recipe:
    """What one run is trained on, and with which rank (alpha is the rank)."""

    name: str
    rank: int
    kei: int
    kana: int
    pairs: bool

    @property
    def pictures(self) -> int:
        """How many training pictures there are."""
        return self.kei + self.kana + (COMPOSED + DRAWN) * self.pairs

    @property
    def pair_share(self) -> float:
        """Share of pictures that show both characters."""
        return (COMPOSED + DRAWN) * self.pairs / self.pictures


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("v1", 4, 43, 53, pairs=False),
        Recipe("v2", 8, 79, 53, pairs=True),
        Recipe("v1-rank8", 8, 43, 53, pairs=False),
        Recipe("v2-rank4", 4, 79, 53, pairs=True),
    )
}
"""The user's two recipes and the two cells between them, which tell rank from data."""


@dataclass(frozen=True)
class TrainingPicture:
    """One picture (256, 256, 3) RGB with its caption. ``kind`` is ``kei``, ``kana``, ``composed`` or ``drawn``."""

    image: NDArray[np.uint8]
    caption: str
    kind: str


def make_training_set(recipe: Recipe, folder: Path, seed: int = 0) -> list[TrainingPicture]:
    """Draw and compose a recipe's pictures; the files (PNG and caption) stay in ``folder``.

    The same seed gives the same pictures, and a smaller set is the beginning of a larger one.

    Args:
        recipe: which pictures.
        folder: must be new or empty.
        seed: of the pictures.
    """
    pictures = []
    for trigger, count in zip(TRIGGERS, (recipe.kei, recipe.kana), strict=True):
        kind = trigger.removesuffix("chan")
        for index in range(count):
            scene = solo_scene(trigger, np.random.default_rng((seed, TRIGGERS.index(trigger), index)))
            picture = TrainingPicture(draw(scene, SIZE).image, solo_caption(trigger, scene), kind)
            write_picture(folder / kind, index, picture)
            pictures.append(picture)
    if recipe.pairs:
        pictures += _compose(folder, seed)
        for index, scene in enumerate(drawn_pair_scenes(np.random.default_rng((seed, 2)))):
            picture = TrainingPicture(draw(scene, SIZE).image, pair_caption(scene), "drawn")
            write_picture(folder / "drawn", index, picture)
            pictures.append(picture)
    return pictures


def dress(trigger: str, rng: np.random.Generator) -> Look:
    """The character in her usual clothes, or in one of the others she owns."""
    look = replace(LOOKS[trigger], smile=bool(rng.random() < 0.6))
    if rng.random() < USUAL_OUTFIT_SHARE:
        return look
    outfit, color = OTHER_OUTFITS[trigger][int(rng.integers(len(OTHER_OUTFITS[trigger])))]
    return replace(look, outfit=outfit, outfit_color=color)


def solo_scene(trigger: str, rng: np.random.Generator) -> Scene:
    """One of the two characters alone."""
    return Scene(
        people=(dress(trigger, rng),),
        pose=str(rng.choice(SOLO_POSES, p=(0.4, 0.15, 0.25, 0.2))),
        distance=str(rng.choice(DISTANCES, p=(0.35, 0.5, 0.15))),
        background=place(rng),
        flipped=bool(rng.random() < 0.5),
        seed=int(rng.integers(2**31)),
    )


def drawn_pair_scenes(rng: np.random.Generator) -> list[Scene]:
    """The twelve pictures drawn with both: Kei carries Kana, and every second one is mirrored."""
    return [pair_scene(pose, index, rng) for index, pose in enumerate(DRAWN_POSES)]


def pair_scene(pose: str, index: int, rng: np.random.Generator) -> Scene:
    """Both characters in a pose; odd numbers are mirrored."""
    return Scene(
        people=tuple(dress(trigger, rng) for trigger in TRIGGERS),
        pose=pose,
        distance=str(rng.choice(("close", "middle"))),
        background=place(rng),
        flipped=index % 2 == 1,
        seed=int(rng.integers(2**31)),
    )


def place(rng: np.random.Generator) -> str:
    """A background: plain ones more often than the others, as in people's own training sets."""
    plain = BACKGROUNDS[:2]
    return str(rng.choice(plain) if rng.random() < 0.45 else rng.choice(BACKGROUNDS[2:]))


def solo_caption(trigger: str, scene: Scene) -> str:
    """The trigger word and what varies; never what the trigger is to stand for (hair, ahoge, eyes, usual clothes)."""
    tags = [QUALITY, "1girl, solo", trigger, *_varying(trigger, scene.people[0]), scene.pose]
    return _joined(*tags, DISTANCE_TAGS[scene.distance], scene.background)


def pair_caption(scene: Scene) -> str:
    """Both triggers in left-to-right order, the pose, and who carries whom."""
    order = (1, 0) if scene.flipped else (0, 1)
    groups = [_joined(TRIGGERS[i], *_varying(TRIGGERS[i], scene.people[i])) for i in order]
    roles = [SENTENCES[scene.pose][0].format(*TRIGGERS)] if scene.pose in ROLE_POSES else []
    place = (DISTANCE_TAGS[scene.distance], scene.background)
    return _joined(QUALITY, "2girls", POSE_TAGS[scene.pose], *roles, *groups, *place)


def _varying(trigger: str, look: Look) -> list[str]:
    usual = LOOKS[trigger]
    same = (look.outfit, look.outfit_color) == (usual.outfit, usual.outfit_color)
    return [*([] if same else [f"{look.outfit_color} {look.outfit}"]), "smile" if look.smile else "open mouth"]


def _joined(*tags: str) -> str:
    return ", ".join(tag for tag in tags if tag)


def write_picture(folder: Path, index: int, picture: TrainingPicture) -> None:
    """Write picture and caption side by side, numbered from 1."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture.image).save(folder / f"{index + 1:04d}.png")
    (folder / f"{index + 1:04d}.txt").write_text(picture.caption + "\n")


def _compose(folder: Path, seed: int) -> Sequence[TrainingPicture]:
    """Eight pictures put together from the solo ones, every second one the other way round."""
    from PIL import Image

    from service.composer import compose_pairs

    report = compose_pairs(
        folder / "kei",
        folder / "kana",
        folder / "composed",
        COMPOSED,
        seed=seed,
        left_trigger=TRIGGERS[0],
        right_trigger=TRIGGERS[1],
        size=(SIZE, SIZE),
        other_pairs=DRAWN,
    )
    if len(report.pairs) != COMPOSED:
        raise ValueError(f"only {len(report.pairs)} of {COMPOSED} pairs could be composed: {report.warnings}")
    return [
        TrainingPicture(np.asarray(Image.open(pair.path).convert("RGB")), pair.caption, "composed")
        for pair in report.pairs
    ]
