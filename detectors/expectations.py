"""What an image was asked to show. Detectors compare this with what they see."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Attributes:
    """What a character owns. ``None`` means "not stated": such an attribute is never judged.

    ``outfit`` is free text such as ``red blazer``; it helps to tell who is who.
    """

    hair_color: str | None = None
    hair_length: str | None = None
    ahoge: bool | None = None
    eye_color: str | None = None
    outfit: str | None = None


@dataclass(frozen=True)
class Character:
    """A character of a suite: its name, the trigger word of the LoRA, and what it owns.

    ``references`` are paths of reference pictures, the ground for likeness.
    """

    name: str
    trigger: str
    attributes: Attributes = Attributes()
    references: tuple[str, ...] = ()


@dataclass(frozen=True)
class Expectation:
    """What one cell's image should show.

    Attributes:
        cast: characters that must appear, and nobody else.
        pose: one of ``standing``, ``apart``, ``together``, ``hug``, ``piggyback``, ``princess_carry``, ``lap_sit``;
            ``None`` if the scenario does not say.
        contact: whether the bodies are meant to touch.
        distance: ``close``, ``middle`` or ``far``.
        checks: names of the checks that apply.
    """

    cast: tuple[Character, ...]
    pose: str | None = None
    contact: bool = False
    distance: str = "middle"
    checks: tuple[str, ...] = ()
