"""Measures of one image: what stability over seeds, sharpness and likeness are computed from."""

from __future__ import annotations

from typing import Any

from detectors.assignment import read
from detectors.context import Context, Person
from detectors.measures import Measure

_HAIR = ("hair_color", "hair_length", "ahoge")
_COSTUME = ("outfit", "outfit_color")


def measures_of(context: Context) -> tuple[Measure, ...]:
    """Every measure of an image.

    ``hairstyle`` and ``costume`` of each character: the likeliest words and the answers' probabilities as one short
    vector, so that two images can be compared. ``likeness``: how much she looks like her own words and, with reference
    pictures, her highest cosine with one. ``sharpness_people`` and ``sharpness_background``: by camera distance, see
    :func:`detectors.sharpness.sharpness`.
    """
    measures = []
    for character in context.expectation.cast:
        index = context.assignment.matches.get(character.name)
        if index is None:
            continue
        person = context.people[index]
        hair, costume = _style(person, _HAIR), _style(person, _COSTUME)
        if hair:
            words = {name: read(person.seen, name) for name in ("hair_color", "hair_length")}
            measures.append(Measure("hairstyle", character.name, {**words, "vector": hair}))
        if costume:
            worn = {"outfit": read(person.seen, "outfit"), "vector": costume}
            measures.append(Measure("costume", character.name, worn))
        likeness = _likeness(context, character.name, index)
        if likeness:
            measures.append(Measure("likeness", character.name, likeness))
    for name, value in zip(("sharpness_people", "sharpness_background"), context.sharpness, strict=True):
        if value is not None:
            distance = context.expectation.distance
            measures.append(Measure(name, None, {"distance": distance, "value": round(value, 3)}))
    return tuple(measures)


def _style(person: Person, questions: tuple[str, ...]) -> list[float]:
    """The answers to some questions as one vector; empty if one was not answered."""
    seen = person.seen
    if any(name not in seen for name in questions):
        return []
    return [round(value, 3) for name in questions for value in seen[name]]


def _likeness(context: Context, name: str, index: int) -> dict[str, Any]:
    found = {}
    for kind, values in (("words", context.resemblance), ("references", context.references)):
        if values.get(name):
            found[kind] = round(values[name][index], 3)
    return found
