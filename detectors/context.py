"""What the networks saw in one image, computed once and shared by every check. Plain values, no torch.

Places are in pixels of the square frame that the networks look at; :meth:`Context.box` turns them into image pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.assignment import Assignment
from detectors.crops import Box
from detectors.expectations import Expectation

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Head:
    """One person's head.

    Attributes:
        box: around the face and the hair down to the chin.
        score: the segmentation network's confidence, 0..1.
        answers: probability of each class by question (``ahoge``, ``hair_color``, ``hair_length``, ``eye_color``,
            ``face``), in the order of :mod:`detectors.vocabulary`.
        areas: share of the head's box painted as each of ``HEAD_PARTS``.
        strand: box around the strand that is painted as this head's own ahoge, or ``None``.
        unsure: questions that its models answer differently, with what each says; such a question is not judged.
    """

    box: Box
    score: float
    answers: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    areas: Mapping[str, float] = field(default_factory=dict)
    strand: Box | None = None
    unsure: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Person:
    """One person.

    Attributes:
        box: around the visible pixels.
        score: the segmentation network's confidence, 0..1.
        mask: (FRAME_SIZE, FRAME_SIZE).
        head: her head, if it was found.
        likeness: unit embedding of her crop.
        answers: probability of each class by question (``role``, ``limbs``, ``ghost``, ``arms``, ``outfit``,
            ``outfit_color``), in the order of :mod:`detectors.vocabulary`.
        tags: probability of every asked tag that the tagger knows, 0..1; in profiles that have one.
        apart: how different she is from the nearest reference picture of each character that has some, 0..1.
        evidence: by character, log-likelihood of being her by source: an attribute's name, ``likeness`` to her
            reference pictures, or likeness to her ``words``.
    """

    box: Box
    score: float
    mask: Mask
    head: Head | None = None
    likeness: tuple[float, ...] = ()
    answers: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    tags: Mapping[str, float] = field(default_factory=dict)
    apart: Mapping[str, float] = field(default_factory=dict)
    evidence: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def seen(self) -> dict[str, tuple[float, ...]]:
        """Everything that was answered about her and her head."""
        return {**self.answers, **(self.head.answers if self.head else {})}


@dataclass(frozen=True)
class Hand:
    """The end of an arm.

    Attributes:
        point: its centre.
        box: around the hand, or around the place where it belongs if it is lost.
        heat: how sure it is that an arm ends here, 0..1.
        there: the same by a closer look at this place alone; 1 where nothing took one.
        states: probability of each of ``HAND_STATES``; empty where no model reads them.
        gripping: probability that it holds the other person.
        head: where the network points for the head of the person it belongs to.
        seen: how sure the segmentation network is of a hand here, 0..1.
        owner: index of the person it belongs to, or ``None``.
        landmarks: whether MediaPipe finds a hand here; ``None`` where it was not asked.
    """

    point: tuple[float, float]
    box: Box
    heat: float
    states: tuple[float, ...]
    gripping: float = 0.0
    head: tuple[float, float] = (0.0, 0.0)
    seen: float = 0.0
    owner: int | None = None
    landmarks: bool | None = None
    there: float = 1.0


@dataclass(frozen=True)
class Contact:
    """Where bodies touch: probability that they are melted together, and the window that was looked at."""

    fused: float
    window: Box


@dataclass(frozen=True)
class Context:
    """One image as seen.

    Attributes:
        size: (height, width) of the image.
        factor: from image to frame pixels.
        expectation: what was asked for.
        people: everybody found, surest first.
        assignment: who of them is which character, by all evidence.
        loose_heads: heads on no body of their own.
        faint_heads: how many more places look a little like a head, as the heads of a crowd do.
        hands: every arm's end and fainter traces of one; empty if no check asked for hands.
        contact: ``None`` if no check asked for it or fewer than two people were found.
        mediapipe: whether MediaPipe's hand model is on this machine.
        blind: who is who where what a check judges may only break ties: by topic (``ahoge``, ``hair``, ``eyes``,
            ``outfit``).
        resemblance: by character, of the cast and the suite's others, for each person how much she looks like the words
            for that character, 0..1.
        references: by character, for each person the highest cosine with a reference picture of that character.
        sharpness: of people and of background, see :func:`detectors.sharpness.sharpness`; ``None`` where there is none.
    """

    size: tuple[int, int]
    factor: float
    expectation: Expectation
    people: tuple[Person, ...]
    assignment: Assignment
    loose_heads: tuple[Box, ...] = ()
    faint_heads: int = 0
    hands: tuple[Hand, ...] = ()
    contact: Contact | None = None
    mediapipe: bool = False
    blind: Mapping[str, Assignment] = field(default_factory=dict)
    resemblance: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    references: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    sharpness: tuple[float | None, float | None] = (None, None)

    def box(self, box: Sequence[float]) -> list[float]:
        """A box of the frame in image pixels, clipped to the image, rounded to a tenth."""
        height, width = self.size
        limits = (width, height, width, height)
        return [round(float(min(max(v / self.factor, 0.0), m)), 1) for v, m in zip(box, limits, strict=True)]

    def person_of(self, character: str) -> Person | None:
        """The person who was matched with a character."""
        index = self.assignment.matches.get(character)
        return None if index is None else self.people[index]
