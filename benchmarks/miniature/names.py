"""Made-up names. The base model learns that a name stands for a look; Kei and Kana are left to the LoRAs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.miniature.scenes import Look, sample_look

SYLLABLES = (
    *("a", "i", "u", "e", "o", "ka", "ki", "ku", "ke", "ko", "sa", "shi", "su", "se", "so", "ta", "chi", "tsu", "te"),
    *("to", "na", "ni", "nu", "ne", "no", "ha", "hi", "fu", "he", "ho", "ma", "mi", "mu", "me", "mo", "ya", "yu", "yo"),
    *("ra", "ri", "ru", "re", "ro", "wa", "n"),
)
TRIGGERS = ("keichan", "kanachan")
"""The trigger words of the two LoRA characters: no other character ever has one of these names."""


@dataclass(frozen=True)
class NamedLook:
    """A character the base model knows: always the same look, whatever it wears."""

    name: str
    look: Look


def random_name(rng: np.random.Generator) -> str:
    """Two or three syllables and ``chan``, such as ``mirichan``; never one of :data:`TRIGGERS`."""
    while True:
        count = int(rng.choice((2, 3), p=(0.75, 0.25)))
        syllables = [str(s) for s in rng.choice(SYLLABLES, size=count)]
        name = "".join(syllables) + "chan"
        if syllables[0] != "n" and name not in TRIGGERS:
            return name


def named_cast(count: int = 300, seed: int = 20) -> tuple[NamedLook, ...]:
    """The fixed other characters, ``count`` of them with different names; the same for the same seed."""
    rng = np.random.default_rng(seed)
    cast: dict[str, NamedLook] = {}
    while len(cast) < count:
        name = random_name(rng)
        cast.setdefault(name, NamedLook(name, sample_look(rng)))
    return tuple(cast.values())
