"""The profile ``anime``: the public ONNX models that people who train on anime pictures trust.

DeepGHS' detectors of persons, heads and hands give boxes, no masks; a WD tagger reads crops of heads and persons; CCIP
compares persons with reference pictures. ``docs/profiles.md`` has the sources.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from detectors.assignment import assign
from detectors.checks import AhogeBleed, AhogeMissing, Cast
from detectors.checks.found_hands import FoundHands
from detectors.checks.references import CcipIdentity
from detectors.checks.tagged import TaggedEyeBleed, TaggedFollowThrough, TaggedHairBleed, TaggedOutfitBleed
from detectors.context import Context, Hand, Head, Person
from detectors.expectations import Character, Expectation
from detectors.onnx.ccip import SAME, Ccip
from detectors.onnx.detection import Detector
from detectors.onnx.tagging import Tagger
from detectors.outline import strand_of
from detectors.profiles.bodies import Body, cut_out, owner_of, people_of
from detectors.profiles.framing import Features, References, frame_factor, frame_mask, framed
from detectors.profiles.spec import Method, Profile, Sees, Setting
from detectors.tags import AHOGE, ATTRIBUTES, LIKELY, asked_tags, probability, tags_of
from detectors.thresholds import Thresholds
from detectors.vocabulary import EYE_COLORS, HAIR_COLORS, HAIR_LENGTHS

if TYPE_CHECKING:
    from detectors.landmarks import Landmarks
    from detectors.openclip import OpenClip

Image = NDArray[np.uint8]

# Boxes that overlap more than this are one body; between this and the publisher's 0.5 a head decides.
_DOUBLE = 0.85
_HEAD_OVERLAP = _HAND_OVERLAP = 0.7
# A tagger says "no" below this; up to LIKELY it may be overruled by what the outline shows.
_UNLIKELY = 0.1
# The difference of log-likelihood of being somebody for a CCIP difference that is 0.05 away from the threshold: 1 nat.
_NATS_PER_DIFFERENCE = 20.0
_FLOOR = 0.02
_QUESTIONS = {"hair_color": HAIR_COLORS, "hair_length": HAIR_LENGTHS, "eye_color": EYE_COLORS}
_COLOURS = (*(f"{colour}_hair" for colour in (*HAIR_COLORS, "grey")), *(f"{colour}_eyes" for colour in EYE_COLORS))


@dataclass(frozen=True)
class AnimeSight:
    """The loaded models. ``landmarks`` is ``None`` where MediaPipe's bundle is not on this machine."""

    persons: Detector
    heads: Detector
    hands: Detector
    tagger: Tagger
    ccip: Ccip
    landmarks: Landmarks | None
    clip: OpenClip | None
    thresholds: Thresholds
    references: References = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "references", References(lambda image: self.ccip.features(self._main_person(image))))

    @classmethod
    def load(cls, setting: Setting) -> AnimeSight:
        """Open every model.

        Raises:
            UnusableWeights: a file is another model than its name says.
        """
        from detectors.landmarks import Landmarks
        from detectors.openclip import OpenClip

        files, limits, device = setting.files, setting.thresholds, setting.device
        bundle = files.get("hand_landmarker")
        return cls(
            persons=Detector.load(files["anime_person"], device, "person", limits.person, _DOUBLE),
            heads=Detector.load(files["anime_head"], device, "head", limits.head, _HEAD_OVERLAP),
            hands=Detector.load(files["anime_hand"], device, "hand", limits.faint, _HAND_OVERLAP),
            tagger=Tagger.load(files["wd_tagger"], files["wd_tags"], device),
            ccip=Ccip.load(files["ccip_feature"], files["ccip_metric"], device),
            landmarks=Landmarks.load(bundle) if bundle else None,
            clip=OpenClip.load(setting.clip, device) if setting.clip else None,
            thresholds=limits,
        )

    def look(self, images: Sequence[Image], expectations: Sequence[Expectation]) -> list[Context]:
        """See :class:`detectors.profiles.spec.Sees`. One picture at a time, so that a batch changes no answer."""
        return [self._see(image, expectation) for image, expectation in zip(images, expectations, strict=True)]

    def _see(self, image: Image, expectation: Expectation) -> Context:
        bodies = people_of(self.persons.find(image), self.heads.find(image))
        factor = frame_factor(image)
        cast = expectation.cast
        references = self.references.of((*cast, *expectation.others))
        people = [self._person(image, body, factor, expectation, references) for body in bodies]
        fit = np.zeros((len(people), len(cast)))
        for p, person in enumerate(people):
            for c, character in enumerate(cast):
                fit[p, c] = sum(person.evidence[character.name].values())
        matched = assign(
            cast,
            fit,
            [person.head.answers if person.head else {} for person in people],
            [float(np.log(max(person.score, 1e-6))) for person in people],
        )
        copies = {
            own: other for own, other in matched.copies.items() if _copied(people[matched.matches[own]], own, other)
        }
        return Context(
            size=(image.shape[0], image.shape[1]),
            factor=factor,
            expectation=expectation,
            people=tuple(people),
            assignment=replace(matched, copies=copies),
            hands=self._hands(image, bodies, factor) if "hands" in expectation.checks else (),
            mediapipe=self.landmarks is not None,
        )

    # One person -----------------------------------------------------------------------------------------------------

    def _person(
        self,
        image: Image,
        body: Body,
        factor: float,
        expectation: Expectation,
        references: Mapping[str, list[Features]],
    ) -> Person:
        whole = cut_out(image, body.box, 0.04, 0.04, 0.04)
        wanted = (*asked_tags(expectation), *_COLOURS)
        tags = self.tagger.tags(whole, wanted)
        head = None
        if body.head is not None:
            # With room above for a strand that stands up.
            close = self.tagger.tags(cut_out(image, body.head.box, 0.12, 0.5, 0.05), wanted)
            tags = {name: close[name] if _on_head(name) else tags[name] for name in tags}
            head = self._head(image, body, factor, tags)
        apart = self._apart(whole, references)
        evidence = {
            character.name: _evidence(character, tags, apart.get(character.name)) for character in expectation.cast
        }
        if self.clip is not None:
            for name, nats in self.clip.fit(whole, expectation.cast).items():
                evidence[name]["words"] = nats
        return Person(
            box=framed(body.box, factor),
            score=body.score,
            mask=frame_mask(body, factor),
            head=head,
            tags=tags,
            apart=apart,
            evidence=evidence,
        )

    def _head(self, image: Image, body: Body, factor: float, tags: Mapping[str, float]) -> Head:
        assert body.head is not None
        strand = strand_of(image, body.head.box)
        answers, unsure = _answers(tags), {}
        seen = max((tags[name] for name in AHOGE if name in tags), default=None)
        if seen is not None:
            answers["ahoge"] = (1 - seen, 0.0, seen)
            if seen >= LIKELY and strand is None:
                unsure["ahoge"] = f"the tagger sees an ahoge ({seen:.2f}), the outline of the hair shows no strand"
            elif _UNLIKELY <= seen < LIKELY and strand is not None:
                unsure["ahoge"] = f"the outline of the hair shows a strand, the tagger is not sure ({seen:.2f})"
        return Head(
            box=framed(body.head.box, factor),
            score=body.head.score,
            answers=answers,
            strand=framed(strand.box, factor) if strand else None,
            unsure=unsure,
        )

    def _apart(self, whole: Image, references: Mapping[str, list[Features]]) -> dict[str, float]:
        """The difference to the nearest reference picture of each character that has some."""
        if not references:
            return {}
        own = self.ccip.features(whole)
        return {name: float(self.ccip.differences(own, known).min()) for name, known in references.items()}

    def _main_person(self, image: Image) -> Image:
        """The largest person of a reference picture; the whole picture if nobody is found."""
        found = self.persons.find(image)
        if not found:
            return image
        largest = max(found, key=lambda each: (each.box[2] - each.box[0]) * (each.box[3] - each.box[1]))
        return cut_out(image, largest.box, 0.04, 0.04, 0.04)

    def _hands(self, image: Image, bodies: Sequence[Body], factor: float) -> tuple[Hand, ...]:
        found = self.hands.find(image)
        limits = self.thresholds
        sides = [max(each.box[2] - each.box[0], each.box[3] - each.box[1]) * factor for each in found]
        asked = [i for i, side in enumerate(sides) if side >= limits.small_hand and found[i].score >= limits.hand]
        read: dict[int, bool] = {}
        if self.landmarks is not None:
            read = dict(zip(asked, self.landmarks.finds(image, [found[i].box for i in asked]), strict=True))
        hands = []
        for i, each in enumerate(found):
            x0, y0, x1, y1 = framed(each.box, factor)
            hand = Hand(((x0 + x1) / 2, (y0 + y1) / 2), (x0, y0, x1, y1), each.score, (), seen=each.score)
            hands.append(replace(hand, owner=owner_of(each.box, bodies), landmarks=read.get(i)))
        return tuple(hands)


def _on_head(tag: str) -> bool:
    """Whether a tag is read on the head's crop; clothes and the length of hair need all of the person."""
    lengths = {name for value in HAIR_LENGTHS for name in tags_of("hair_length", value)}
    return tag in AHOGE or (tag.endswith(("_hair", "_eyes")) and tag not in lengths)


def _answers(tags: Mapping[str, float]) -> dict[str, tuple[float, ...]]:
    """The tags as answers to the questions that the assignment asks; one that the tagger is not sure of is left out."""
    answers: dict[str, tuple[float, ...]] = {}
    for question, values in _QUESTIONS.items():
        odds = [probability(tags, question, (value,)) or 0.0 for value in values]
        if max(odds) >= LIKELY:
            answers[question] = tuple(p / sum(odds) for p in odds)
    return answers


def _copied(person: Person, own: str, other: str) -> bool:
    """Whether everything that tells two characters apart says "the other"; hair alone is bleed, not a copy."""
    mine, theirs = person.evidence[own], person.evidence[other]
    telling = [theirs[source] - mine[source] for source in mine if source in theirs and theirs[source] != mine[source]]
    return len(telling) > 1 and all(nats > 0 for nats in telling)


def _evidence(character: Character, tags: Mapping[str, float], apart: float | None) -> dict[str, float]:
    """Log-likelihood of being a character by source; the ahoge, which is under judgement, is none of them."""
    found = {}
    for attribute in ATTRIBUTES:
        shown = probability(tags, attribute, character.attributes.values(attribute))
        if shown is not None:
            found[attribute] = float(np.log(max(shown, _FLOOR)))
    if apart is not None:
        found["likeness"] = float(-np.logaddexp(0, _NATS_PER_DIFFERENCE * (apart - SAME)))
    return found


def _open(setting: Setting) -> Sees:
    return AnimeSight.load(setting)


_BODIES = ("anime_person", "anime_head")
_TAGS = ("wd_tagger", "wd_tags")

ANIME = Profile(
    name="anime",
    domain="anime pictures",
    methods={
        "cast": Method("person boxes and heads, matched one-to-one; a head without a body counts", _BODIES),
        "ahoge_bleed": Method(
            "tagger on the enlarged head crop, backed by the outline of the hair; where they disagree, not measurable",
            (*_BODIES, *_TAGS),
        ),
        "ahoge_missing": Method("the same, for the owner", (*_BODIES, *_TAGS)),
        "hair_bleed": Method("tagger: colour on the head crop, length on the person crop", (*_BODIES, *_TAGS)),
        "eye_bleed": Method("tagger on the head crop", (*_BODIES, *_TAGS)),
        "outfit_bleed": Method("tagger on the person crop", (*_BODIES, *_TAGS)),
        "follow_through": Method("tagger: the asked value against the usual one", (*_BODIES, *_TAGS)),
        "identity": Method(
            "CCIP difference of the person crop to reference pictures",
            ("anime_person", "anime_head", "ccip_feature", "ccip_metric"),
        ),
        "hands": Method(
            "hand boxes: lost hands alone, where the pose says how many must show; MediaPipe's reading as evidence",
            (*_BODIES, "anime_hand", "hand_landmarker"),
        ),
    },
    checks=(
        Cast,
        AhogeBleed,
        AhogeMissing,
        TaggedHairBleed,
        TaggedEyeBleed,
        TaggedOutfitBleed,
        TaggedFollowThrough,
        CcipIdentity,
        FoundHands,
    ),
    opens=_open,
    weights=("anime_person", "anime_head", "anime_hand", "wd_tagger", "wd_tags", "ccip_feature", "ccip_metric"),
    optional=("hand_landmarker",),
    missing={
        "fusion": "its person detector gives boxes, and boxes of people who touch say nothing about a merge",
        "limbs": "no public model counts drawn limbs",
        "face": "no public model grades drawn faces",
        "ghost": "no public model sees ghosting in drawings",
        "pose": "tags of poses name no roles and are not measured",
    },
)
