"""Where a score becomes a verdict. The numbers are measured on validation drawings and lie beside the weights."""

from __future__ import annotations

import json
from dataclasses import MISSING, Field, asdict, dataclass, fields
from pathlib import Path

from detectors.errors import MissingWeights
from detectors.weights import shipped_folder

FILE = "thresholds.json"


@dataclass(frozen=True)
class Thresholds:
    """Lowest scores, 0..1, at which something is said to be there; ``calibrate`` writes them.

    Attributes:
        person: confidence of a person's mask.
        head: confidence of a head.
        ahoge: probability of a clear ahoge.
        tuft: probability of a clear ahoge or a small tuft.
        fused_bodies: probability that two bodies are melted together.
        heat: confidence that an arm ends at a place.
        broken_heat: the same for an end where a lost or fused hand is seen; never more than ``heat``.
        there: confidence of the closer look that an arm ends at a place where a lost or fused hand is seen.
        faint: confidence of a place, below which not even a trace of an arm's end is there.
        hand: mean confidence of both networks that what is at an arm's end is a hand; a lost one needs none.
        lost, fused, minor: probability of each state of a hand, asked in this order.
        second_opinion: the same for fused and lost where MediaPipe finds a good hand.
        small_hand: longer side of a hand's box, in pixels of the frame, below which it is not judged.
        hair_color, hair_length, eye_color, outfit: probability that somebody else's is worn.
        asked: probability of what a prompt asked to be changed, below which it was not followed.
        face: probability of a broken face.
        limbs: probability of limbs too many or too few.
        ghost: probability of doubled contours, leftovers or burnt colours.
        identity: how little somebody looks like who she should be, see :class:`detectors.checks.identity.Identity`.
        pose: share of the asked pose's probability, below which another pose came out.
        reversed_roles: the same for the asked order of who is below and who is above.
        clear_face: share of the head's box painted as skin, below which a face is too hidden to be judged.
    """

    person: float
    head: float
    ahoge: float
    tuft: float
    fused_bodies: float
    heat: float
    faint: float
    hand: float
    lost: float
    fused: float
    minor: float
    second_opinion: float
    small_hand: float
    hair_color: float = 0.5
    hair_length: float = 0.5
    eye_color: float = 0.5
    outfit: float = 0.5
    asked: float = 0.5
    face: float = 0.5
    limbs: float = 0.5
    ghost: float = 0.5
    identity: float = 0.5
    pose: float = 0.5
    reversed_roles: float = 0.5
    clear_face: float = 0.1
    broken_heat: float = 1.0
    there: float = 0.0

    @classmethod
    def load(cls, folder: Path) -> Thresholds:
        """Read the thresholds that belong to the weights in ``folder``.

        A file that says ``based_on`` another profile has only the numbers that its own checks read; the rest, which
        none of them reads, are that profile's.

        Raises:
            MissingWeights: there are none, or a number is missing.
        """
        path = folder / FILE
        try:
            content = json.loads(path.read_text())
            stored = content["thresholds"]
            if "based_on" in content:
                stored = cls.load(shipped_folder(content["based_on"])).to_json() | stored
            return cls(**{field.name: float(_value(stored, field)) for field in fields(cls)})
        except (OSError, KeyError, ValueError) as error:
            raise MissingWeights(
                f"{path} is missing or incomplete ({error}). Measure the thresholds with "
                f"`python -m benchmarks.detectors.calibrate`."
            ) from error

    def to_json(self) -> dict[str, float]:
        """The numbers by name."""
        return asdict(self)


def _value(stored: dict[str, float], field: Field[float]) -> float:
    """What is stored, or for a threshold that older weights had no use for, its default."""
    return stored[field.name] if field.default is MISSING else stored.get(field.name, field.default)
