"""The checks: each turns what was seen in one image into verdicts with their evidence."""

from detectors.checks.ahoge import AhogeBleed, AhogeMissing
from detectors.checks.base import Check
from detectors.checks.cast import Cast
from detectors.checks.fusion import Fusion
from detectors.checks.hands import Hands

__all__ = ["AhogeBleed", "AhogeMissing", "Cast", "Check", "Fusion", "Hands"]
