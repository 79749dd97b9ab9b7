"""How a look is put into words for the likeness model. What is under judgement, the ahoge, is never among them."""

from __future__ import annotations

from collections.abc import Sequence

from detectors.expectations import Attributes


def words_of(attributes: Attributes) -> list[str]:
    """The stated attributes as tags: ``blonde hair``, ``long hair``, ``blue eyes``, the outfit."""
    words = []
    if attributes.hair_color:
        words.append(f"{attributes.hair_color} hair")
    if attributes.hair_length:
        words.append(f"{attributes.hair_length} hair")
    if attributes.eye_color:
        words.append(f"{attributes.eye_color} eyes")
    if attributes.outfit:
        words.append(attributes.outfit)
    return words


def caption(words: Sequence[str], style: int = 0) -> str:
    """A caption of the words, in one of three styles.

    >>> caption(["blonde hair", "blue eyes"])
    '1girl, blonde hair, blue eyes'
    """
    listed = ", ".join(words)
    if not listed:
        return "1girl"
    return (f"1girl, {listed}", f"a girl with {listed}", listed)[style]
