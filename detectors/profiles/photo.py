"""The profile ``photo``: ultralytics' COCO segmentation for persons, OpenCLIP for who is who."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.assignment import assign
from detectors.checks import Cast
from detectors.checks.references import ReferenceIdentity
from detectors.context import Context, Person
from detectors.errors import UnusableWeights
from detectors.expectations import Expectation
from detectors.onnx.detection import Detection, Detector, Raw, decode, letterbox
from detectors.openclip import OpenClip
from detectors.profiles.bodies import Body, cut_out, people_of
from detectors.profiles.framing import Features, References, frame_factor, frame_mask, framed
from detectors.profiles.spec import Clip, Method, Profile, Sees, Setting
from detectors.weights import entry, verify

Image = NDArray[np.uint8]
CLIP_MODEL = "ViT-B-32"
_OVERLAP, _SIDE = 0.7, 640
# Cosines of pictures of one person and of two differ by tenths: 20 makes 0.05 of difference one nat.
_NATS_PER_COSINE = 20.0


class _FindsPeople(Protocol):
    def find(self, image: Image) -> list[Detection]:
        """Everybody in an image, surest first."""


@dataclass(frozen=True)
class CocoPeople:
    """Ultralytics' own segmentation network with its published weights."""

    network: Any
    number: int
    classes: int
    least: float
    device: str

    @classmethod
    def load(cls, path: Path, device: str, least: float) -> CocoPeople:
        """Read a published ``.pt`` file.

        Such a file is a pickle, which runs code when it is read. It is read only if its hash is the published one.

        Raises:
            ChangedWeights: it is another file.
            UnusableWeights: its content is not what is expected.
        """
        verify(entry("coco_people"), path)
        from detectors.yolo import quiet

        quiet()
        import torch

        stored = torch.load(path, map_location="cpu", weights_only=False)
        network = (stored.get("ema") or stored.get("model")) if isinstance(stored, dict) else None
        names: Mapping[int, str] = getattr(network, "names", {})
        number = next((number for number, name in names.items() if name == "person"), None)
        if network is None or number is None:
            raise UnusableWeights(f"{path} holds no network that finds persons")
        network = network.float().fuse(verbose=False).eval().to(device)
        return cls(network, number, len(names), least, device)

    def find(self, image: Image) -> list[Detection]:
        """Everybody in an image (H, W, 3) of 8-bit RGB with a mask, surest first."""
        import torch

        placed, factor, left, top = letterbox(image, _SIDE, _SIDE)
        with torch.inference_mode():
            pixels = torch.from_numpy(placed).to(self.device).permute(2, 0, 1)[None].float() / 255
            rows, prototypes = self.network(pixels)[0]
        raw = Raw(rows[0].T.float().cpu().numpy(), prototypes[0].float().cpu().numpy())
        return decode(raw, self.number, self.classes, self.least, _OVERLAP, image.shape[:2], (factor, left, top))


@dataclass(frozen=True)
class PhotoSight:
    """The loaded models."""

    people: _FindsPeople
    clip: OpenClip
    references: References = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "references", References(self._features))

    def look(self, images: Sequence[Image], expectations: Sequence[Expectation]) -> list[Context]:
        """See :class:`detectors.profiles.spec.Sees`. One picture at a time, so that a batch changes no answer."""
        return [self._see(image, expectation) for image, expectation in zip(images, expectations, strict=True)]

    def _see(self, image: Image, expectation: Expectation) -> Context:
        bodies = people_of(self.people.find(image), [])
        factor, cast = frame_factor(image), expectation.cast
        references = self.references.of((*cast, *expectation.others))
        people = [self._person(image, body, factor, expectation, references) for body in bodies]
        fit = np.array([[sum(p.evidence[c.name].values()) for c in cast] for p in people]).reshape(
            len(people), len(cast)
        )
        quality = [float(np.log(max(person.score, 1e-6))) for person in people]
        return Context(
            size=(image.shape[0], image.shape[1]),
            factor=factor,
            expectation=expectation,
            people=tuple(people),
            assignment=assign(cast, fit, [{} for _ in people], quality),
        )

    def _person(
        self,
        image: Image,
        body: Body,
        factor: float,
        expectation: Expectation,
        references: Mapping[str, list[Features]],
    ) -> Person:
        crop = _alone(image, body)
        own = self.clip.picture(crop)
        near = {name: max(float(own @ known) for known in each) for name, each in references.items()}
        evidence = {name: {"words": nats} for name, nats in self.clip.fit(crop, expectation.cast).items()}
        if all(character.name in near for character in expectation.cast):
            for character in expectation.cast:
                evidence[character.name]["likeness"] = _NATS_PER_COSINE * near[character.name]
        return Person(
            box=framed(body.box, factor),
            score=body.score,
            mask=frame_mask(body, factor),
            likeness=tuple(float(value) for value in own),
            apart={name: min(max((1 - cosine) / 2, 0.0), 1.0) for name, cosine in near.items()},
            evidence=evidence,
        )

    def _features(self, image: Image) -> Features:
        """The largest person of a reference picture; the whole picture if nobody is found."""
        found = people_of(self.people.find(image), [])
        if not found:
            return self.clip.picture(image)
        return self.clip.picture(_alone(image, max(found, key=lambda b: (b.box[2] - b.box[0]) * (b.box[3] - b.box[1]))))


def _alone(image: Image, body: Body) -> Image:
    """A person's crop with everybody and everything else painted grey."""
    if body.mask is None:
        return cut_out(image, body.box)
    return cut_out(np.where(body.mask[:, :, None], image, np.uint8(128)), body.box)


@dataclass(frozen=True)
class ClipIdentity(ReferenceIdentity):
    """Which character's reference pictures somebody is nearest to, by OpenCLIP."""

    networks: ClassVar[tuple[str, ...]] = ("coco_people", "open_clip")
    measure: ClassVar[str] = "CLIP distance, half of one minus the cosine"


def _open(setting: Setting) -> Sees:
    path, least = setting.files["coco_people"], setting.thresholds.person
    people: _FindsPeople
    if path.suffix == ".onnx":
        people = Detector.load(path, setting.device, "person", least, _OVERLAP)
    else:
        people = CocoPeople.load(path, setting.device, least)
    clip = setting.clip or Clip(CLIP_MODEL, setting.files["open_clip"])
    return PhotoSight(people, OpenClip.load(clip, setting.device))


PHOTO = Profile(
    name="photo",
    domain="photographs",
    methods={
        "cast": Method("yolo11m-seg trained on COCO: one mask a person", ("coco_people",)),
        "identity": Method(
            "OpenCLIP on the person alone, everything else grey: nearest of the cast's reference pictures",
            ("coco_people", "open_clip"),
        ),
    },
    checks=(Cast, ClipIdentity),
    opens=_open,
    weights=("coco_people", "open_clip"),
    clip="open_clip",
    missing={
        "hands": "nothing here grades hands, and MediaPipe's silence proves nothing",
        "fusion": "COCO's masks say nothing about a merge",
    },
)
