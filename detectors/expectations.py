"""What an image was asked to show. Detectors compare this with what they see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

# Attributes that a scenario may ask to be changed.
CHANGEABLE = ("hair_color", "hair_length", "outfit")


@dataclass(frozen=True)
class Attributes:
    """What a character owns. ``None`` means "not stated": such an attribute is never judged.

    ``outfit`` is free text such as ``red blazer``; it helps to tell who is who. ``outfits`` are the others she may wear
    as well: one of them is drift, never bleed.
    """

    hair_color: str | None = None
    hair_length: str | None = None
    ahoge: bool | None = None
    eye_color: str | None = None
    outfit: str | None = None
    outfits: tuple[str, ...] = ()

    @property
    def wardrobe(self) -> tuple[str, ...]:
        """Every outfit she may wear, the usual one first; empty where none is stated."""
        return tuple(dict.fromkeys((*([self.outfit] if self.outfit else ()), *self.outfits)))

    def values(self, attribute: str) -> tuple[str, ...]:
        """What is allowed of ``hair_color``, ``hair_length``, ``eye_color`` or ``outfit``; empty if not stated."""
        if attribute == "outfit":
            return self.wardrobe
        value = getattr(self, attribute)
        return (value,) if value else ()

    def without(self, names: Iterable[str]) -> Attributes:
        """The same with some attributes not stated, for evidence that must not rest on them.

        >>> Attributes("blonde", "long").without(["hair_color"])
        Attributes(hair_color=None, hair_length='long', ahoge=None, eye_color=None, outfit=None, outfits=())
        """
        left = {name: None for name in names}
        return replace(self, **left, **({"outfits": ()} if "outfit" in left else {}))  # type: ignore[arg-type]


def changed(attributes: Attributes, changes: Mapping[str, str]) -> Attributes:
    """The attributes as a prompt asks for them, ``changes`` by name."""
    new = dict(changes)
    return replace(attributes, **new, **({"outfits": ()} if "outfit" in new else {}))  # type: ignore[arg-type]


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
class Change:
    """What a prompt asks to be different from what a character owns: one of :data:`CHANGEABLE` and its new value."""

    character: str
    attribute: str
    value: str


@dataclass(frozen=True)
class Expectation:
    """What one cell's image should show.

    Attributes:
        cast: characters that must appear, and nobody else.
        pose: one of ``standing``, ``arms_up``, ``waving``, ``sitting``, ``apart``, ``together``, ``hug``,
            ``piggyback``, ``princess_carry``, ``lap_sit``; ``None`` if the scenario does not say.
        contact: whether the bodies are meant to touch.
        distance: ``close``, ``middle`` or ``far``.
        checks: names of the checks that apply.
        others: characters of the suite that must not appear; what is theirs must not appear on the cast either.
        below: in a pose with roles, the character who carries or is sat upon; ``None`` if the scenario does not say.
        changes: what the prompt asks to be different from what the characters own.
        bystanders: whether people outside the cast may be there; checks are then about the cast alone.
    """

    cast: tuple[Character, ...]
    pose: str | None = None
    contact: bool = False
    distance: str = "middle"
    checks: tuple[str, ...] = ()
    others: tuple[Character, ...] = ()
    below: str | None = None
    changes: tuple[Change, ...] = ()
    bystanders: bool = False

    def changed(self, character: str) -> dict[str, str]:
        """What is asked to be different about a character, by attribute."""
        return {change.attribute: change.value for change in self.changes if change.character == character}

    def rivals(self, character: str) -> tuple[Character, ...]:
        """Everybody else whose look could bleed onto a character: of the cast first, then of the suite."""
        return tuple(other for other in (*self.cast, *self.others) if other.name != character)
