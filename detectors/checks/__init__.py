"""The checks: each turns what was seen in one image into verdicts with their evidence."""

from detectors.checks.ahoge import AhogeBleed, AhogeMissing
from detectors.checks.base import Check
from detectors.checks.bleed import EyeBleed, HairBleed, OutfitBleed
from detectors.checks.bodies import Face, Ghost, Limbs
from detectors.checks.cast import Cast
from detectors.checks.following import FollowThrough
from detectors.checks.fusion import Fusion
from detectors.checks.hands import Hands
from detectors.checks.identity import Identity
from detectors.checks.pose import Pose

__all__ = [
    "AhogeBleed",
    "AhogeMissing",
    "Cast",
    "Check",
    "EyeBleed",
    "Face",
    "FollowThrough",
    "Fusion",
    "Ghost",
    "HairBleed",
    "Hands",
    "Identity",
    "Limbs",
    "OutfitBleed",
    "Pose",
]
