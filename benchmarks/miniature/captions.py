"""Captions of drawings: Danbooru-like tags or a short sentence, people in left-to-right order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.miniature.scenes import PAIR_POSES, Look, Scene

QUALITY = "masterpiece, best quality, score_7, safe"
DISTANCE_TAGS = {"close": "close-up", "middle": "", "far": "full body, far away"}
POSE_TAGS = {
    "apart": "standing apart",
    "together": "standing together, arm around shoulder",
    "hug": "hug",
    "piggyback": "piggyback",
    "princess carry": "princess carry",
    "lap sit": "sitting on lap, girl on top",
}
# {0} and {1} are the people in the scene's own order.
SENTENCES = {
    "apart": ("{0} and {1} standing apart", "{0} standing on the left and {1} standing on the right"),
    "together": ("{0} and {1} standing together", "{0} with an arm around the shoulder of {1}"),
    "hug": ("{0} and {1} hugging", "{0} hugging {1}"),
    "piggyback": ("{0} carrying {1} piggyback", "{1} riding on the back of {0}, hands on her thighs"),
    "princess carry": ("{0} carrying {1} in a princess carry", "{1} lying in the arms of {0}"),
    "lap sit": ("{1} sitting on the lap of {0}", "{1} sitting on {0}'s lap"),
}
MIRRORED = {"apart": "{1} standing on the left and {0} standing on the right"}


def look_tags(look: Look, rng: np.random.Generator, keep: float = 1.0) -> list[str]:
    """Tags of one person; each but hair and ahoge is kept with probability ``keep``."""
    tags = [f"{look.hair_color} hair", f"{look.hair_length} hair"]
    if look.ahoge:
        tags.append("ahoge")
    optional = [f"{look.eye_color} eyes", f"{look.outfit_color} {look.outfit}", look.legwear]
    if look.hair_style != "straight":
        optional.append(look.hair_style)
    if look.ribbon:
        optional.append("hair ribbon")
    optional.append("smile" if look.smile else "open mouth")
    return tags + [tag for tag in optional if rng.random() < keep]


def _phrase(look: Look, rng: np.random.Generator) -> str:
    """A person in words, as used inside a sentence."""
    ahoge = " with an ahoge" if look.ahoge else ""
    eyes = f" and {look.eye_color} eyes" if rng.random() < 0.5 else ""
    outfit = f" in a {look.outfit_color} {look.outfit}" if rng.random() < 0.5 else ""
    return f"a girl with {look.hair_length} {look.hair_color} hair{eyes}{ahoge}{outfit}"


def caption(scene: Scene, rng: np.random.Generator, names: Sequence[str | None] | None = None) -> str:
    """One caption of a scene; another draw from ``rng`` words it differently.

    Args:
        scene: the scene.
        rng: chooses between tags and sentence, and which optional tags are named.
        names: a name for each person, or None where it has none. A named person is called by the name alone half of
            the time, otherwise by name and looks.
    """
    names = names or [None] * len(scene.people)
    described = [name is None or rng.random() < 0.5 for name in names]
    order = range(len(names))[::-1] if scene.flipped else range(len(names))
    prefix = [QUALITY] if rng.random() < 0.5 else []
    count = "1girl, solo" if len(names) == 1 else "2girls"
    tail = [t for t in (DISTANCE_TAGS[scene.distance], scene.background) if t]
    if len(names) == 2 and rng.random() < 0.45:
        return ", ".join([*prefix, count, _sentence(scene, rng, names, described), *tail])
    keep = float(rng.choice((0.6, 1.0)))
    groups = []
    for i in order:
        tags = look_tags(scene.people[i], rng, keep) if described[i] else []
        groups.append(", ".join([*filter(None, [names[i]]), *tags]))
    if scene.pose in PAIR_POSES:
        called = [n for i in order if (n := names[i])]
        words = POSE_TAGS[scene.pose]
        if len(called) == 2 and scene.pose in ("piggyback", "princess carry", "lap sit") and rng.random() < 0.7:
            words = f"{words}, {_sentence(scene, rng, names, [False, False])}"
        labelled = [f"{side}: {group}" for side, group in zip(("left", "right"), groups, strict=True)]
        return ", ".join(
            [*prefix, count, words, *(groups if len(called) == 2 and not any(described) else labelled), *tail]
        )
    return ", ".join([*prefix, count, *groups, scene.pose, *tail])


def _sentence(scene: Scene, rng: np.random.Generator, names: Sequence[str | None], described: Sequence[bool]) -> str:
    people = []
    for look, name, full in zip(scene.people, names, described, strict=True):
        if name is None:
            people.append(_phrase(look, rng))
        else:
            people.append(f"{name}, {_phrase(look, rng)}," if full else name)
    options = SENTENCES[scene.pose]
    pick = int(rng.integers(len(options)))
    template = options[pick]
    if scene.flipped and pick == 1 and scene.pose in MIRRORED:
        template = MIRRORED[scene.pose]
    elif scene.flipped and pick == 0 and scene.pose in ("apart", "together", "hug"):
        people = people[::-1]
    return template.format(*people)
