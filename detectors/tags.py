"""From what a suite states about a character to the tags that a Danbooru tagger knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from detectors.expectations import Character, Expectation

LIKELY = 0.35
"""Probability from which a tag counts as there: the usual threshold of the public tools around these taggers."""

AHOGE = ("ahoge", "huge_ahoge")
POSES: dict[str, tuple[str, ...]] = {
    "hug": ("hug", "hug_from_behind", "cuddling"),
    "piggyback": ("piggyback",),
    "princess_carry": ("princess_carry",),
    "lap_sit": ("sitting_on_lap", "sitting_on_person"),
}
_LENGTHS = {"short": ("short_hair", "very_short_hair"), "long": ("long_hair", "very_long_hair")}
_COLOURS = {"white": ("white", "grey"), "grey": ("grey", "white"), "gray": ("grey", "white")}
_CLOTHES = {"sailor_uniform": ("serafuku",), "sailor_suit": ("serafuku",), "uniform": ("school_uniform",)}

ATTRIBUTES = ("hair_color", "hair_length", "eye_color", "outfit")


def tags_of(attribute: str, value: str) -> tuple[str, ...]:
    """The tags that say that somebody shows ``value``.

    For an outfit the most specific comes first and only the first one that the tagger knows counts.

    >>> tags_of("hair_color", "blonde")
    ('blonde_hair',)
    >>> tags_of("outfit", "red blazer")
    ('red_blazer', 'blazer')
    """
    word = "_".join(value.lower().split())
    if attribute == "hair_color":
        return tuple(f"{colour}_hair" for colour in _COLOURS.get(word, (word,)))
    if attribute == "hair_length":
        return _LENGTHS.get(word, (f"{word}_hair",))
    if attribute == "eye_color":
        return (f"{word}_eyes",)
    last = word.rpartition("_")[2]
    return tuple(dict.fromkeys((word, *_CLOTHES.get(word, ()), last, *_CLOTHES.get(last, ()))))


def probability(tags: Mapping[str, float], attribute: str, values: Iterable[str]) -> float | None:
    """How probable it is that somebody shows one of ``values``; ``None`` if the tagger knows no tag for any of them."""
    found = []
    for value in values:
        known = [tags[name] for name in tags_of(attribute, value) if name in tags]
        found += known[:1] if attribute == "outfit" else known
    return max(found, default=None)


def tag_name(tags: Mapping[str, float], attribute: str, value: str) -> str | None:
    """The tag that stands for a value, of those the tagger knows."""
    return next((name for name in tags_of(attribute, value) if name in tags), None)


def asked_tags(expectation: Expectation) -> list[str]:
    """Every tag that some check on this image may ask for."""
    people: Sequence[Character] = (*expectation.cast, *expectation.others)
    names = list(AHOGE)
    for attribute in ATTRIBUTES:
        for value in dict.fromkeys(value for person in people for value in person.attributes.values(attribute)):
            names += tags_of(attribute, value)
    for change in expectation.changes:
        names += tags_of(change.attribute, change.value)
    return list(dict.fromkeys(names))
