"""The miniature's vocabulary: how people look, what a scene holds, and endless random scenes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HAIR_COLORS = ("blonde", "black", "brown", "red", "orange", "pink", "blue", "green", "purple", "white")
EYE_COLORS = ("blue", "red", "green", "yellow", "purple", "brown")
HAIR_LENGTHS = ("short", "long")
HAIR_STYLES = ("straight", "twintails", "ponytail")
OUTFITS = ("serafuku", "blazer", "vest", "dress", "hoodie", "t-shirt")
OUTFIT_COLORS = ("red", "blue", "green", "yellow", "purple", "white", "black", "pink")
LEGWEAR = ("bare legs", "kneehighs", "pantyhose")
SOLO_POSES = ("standing", "arms up", "waving", "sitting")
PAIR_POSES = ("apart", "together", "hug", "piggyback", "princess carry", "lap sit")
CONTACT_POSES = ("together", "hug", "piggyback", "princess carry", "lap sit")
DISTANCES = ("close", "middle", "far")
BACKGROUNDS = (
    "simple background",
    "gradient background",
    "park",
    "beach",
    "classroom",
    "rooftop",
    "night city",
    "festival",
)

# Never painted behind a drawing that anything is trained on.
HELD_OUT_BACKGROUNDS = ("library", "aquarium", "snow")
# Nor behind one that anybody looked at before the networks and thresholds were settled.
FRESH_BACKGROUNDS = ("bamboo", "stage", "harbour")
# Nor these, which have thin upright things as the fresh ones have; they were drawn once those had been seen.
FRESH2_BACKGROUNDS = ("workshop", "organ", "vineyard")
# Only behind drawings that say how often sound ones may be called broken.
SETTLING_BACKGROUNDS = ("kitchen", "street")
# Random shapes, rows of things as thin as a strand, and thin things right behind heads: only detectors are trained on
# them.
PATTERNS = "patterns"
ROWS = "rows"
THICKET = "thicket"


@dataclass(frozen=True)
class Style:
    """How a scene is drawn, whatever it shows.

    Attributes:
        line: width of the outlines, 1.0 as drawn for the base model.
        ink: colour of the outlines, a key of :data:`benchmarks.miniature.palette.INKS`.
        head: size of heads against bodies.
        width: stretch of figures to the side.
        hair: shape of the fringe and of long hair, 0 to 8.
        strand: how far an ahoge strays from its usual length, width and bend, 0 to 1.
    """

    line: float = 1.0
    ink: str = "brown"
    head: float = 1.0
    width: float = 1.0
    hair: int = 0
    strand: float = 0.0


PLAIN = Style()


@dataclass(frozen=True)
class Look:
    """How one drawn person looks. Hair ``style`` twintails and ponytail are worn with long hair only."""

    hair_color: str = "brown"
    hair_length: str = "short"
    hair_style: str = "straight"
    ahoge: bool = False
    ribbon: bool = False
    eye_color: str = "brown"
    outfit: str = "t-shirt"
    outfit_color: str = "blue"
    legwear: str = "bare legs"
    smile: bool = True
    hat: bool = False


KEI = Look("blonde", "long", "straight", False, False, "blue", "blazer", "red", "kneehighs")
KANA = Look("black", "short", "straight", True, False, "red", "vest", "blue", "pantyhose")

FAILURES = (
    "ahoge_bleed",  # an ahoge on a person that owns none
    "ahoge_tuft",  # the same, but only a small tuft
    "ahoge_missing",  # the owner lost it
    "hair_pull",  # the other person's long hair on this one
    "hair_color",  # the other person's hair colour on this one
    "fused_bodies",  # no boundary where two bodies touch
    "fused_hand",  # the fingers of a hand stick together
    "minor_hand",  # a hand slightly off: a finger too few or crooked
    "lost_hand",  # an arm ends without a hand
    "extra_leg",
    "extra_person",
    "hair_cut",  # the other person's short hair on this one
    "eye_color",  # the other person's eyes on this one
    "outfit",  # the other person's clothes on this one
    "missing_leg",
    "extra_arm",
    "missing_arm",
    "broken_face",  # an eye too few or too many, out of place, or the face smeared
    "doubled",  # a second, faint contour beside the first
    "leftover",  # a faint piece of the head where nothing should be
    "burnt",  # the whole picture: colours and contrast far over the top
)


@dataclass(frozen=True)
class Failure:
    """One deliberate fault: its ``kind`` (one of :data:`FAILURES`) and the index of the person who wears it."""

    kind: str
    person: int = 0


@dataclass(frozen=True)
class Scene:
    """Everything a drawing depends on. The same scene always gives the same pixels.

    ``people`` are in the pose's own order: left then right for ``apart``, ``together`` and ``hug``; carrier then
    carried for ``piggyback`` and ``princess carry``; the one who is sat upon, then the sitter for ``lap sit``.
    Three or four people stand ``apart`` in a row. ``flipped`` mirrors the whole picture. ``arms`` of people who stand
    alone or apart are ``free``, ``crossed`` or ``behind`` the back. ``rival`` is whose look bleeds onto somebody alone.
    """

    people: tuple[Look, ...]
    pose: str = "standing"
    distance: str = "middle"
    background: str = "simple background"
    failures: tuple[Failure, ...] = ()
    flipped: bool = False
    seed: int = 0
    arms: str = "free"
    style: Style = PLAIN
    rival: Look | None = None


def sample_look(rng: np.random.Generator) -> Look:
    """A random look, never Kei's or Kana's own combination of hair colour, length and ahoge."""
    while True:
        length = str(rng.choice(HAIR_LENGTHS))
        look = Look(
            hair_color=str(rng.choice(HAIR_COLORS)),
            hair_length=length,
            hair_style=str(rng.choice(HAIR_STYLES, p=(0.6, 0.2, 0.2))) if length == "long" else "straight",
            ahoge=bool(rng.random() < 0.45),
            ribbon=bool(rng.random() < 0.2),
            eye_color=str(rng.choice(EYE_COLORS)),
            outfit=str(rng.choice(OUTFITS)),
            outfit_color=str(rng.choice(OUTFIT_COLORS)),
            legwear=str(rng.choice(LEGWEAR)),
            smile=bool(rng.random() < 0.6),
        )
        own = (look.hair_color, look.hair_length, look.ahoge)
        if own not in {(k.hair_color, k.hair_length, k.ahoge) for k in (KEI, KANA)}:
            return look


def sample_scene(rng: np.random.Generator, people: int | None = None, pose: str | None = None) -> Scene:
    """A random faultless scene of one or two people (``people`` and ``pose`` may be fixed)."""
    if pose is not None:
        people = 2 if pose in PAIR_POSES else 1
    count = people or int(rng.choice((1, 2), p=(0.35, 0.65)))
    if pose is None:
        pose = str(rng.choice(SOLO_POSES if count == 1 else PAIR_POSES))
    return Scene(
        people=tuple(sample_look(rng) for _ in range(count)),
        pose=pose,
        distance=str(rng.choice(DISTANCES, p=(0.3, 0.55, 0.15))),
        background=str(rng.choice(BACKGROUNDS)),
        flipped=bool(rng.random() < 0.5),
        seed=int(rng.integers(2**31)),
    )
