"""Which rates of an evaluation rest on measured detectors, and which do not."""

from __future__ import annotations

from detectors.calibration import Calibration
from detectors.profiles import PROFILES, unverified
from service.evaluations.requests import EvaluationRequest


def asked_checks(request: EvaluationRequest) -> list[str]:
    """Every check that some scenario of the suite asks for, in the suite's order."""
    return list(dict.fromkeys(check for scenario in request.suite.scenarios for check in scenario.checks))


def unverified_checks(request: EvaluationRequest) -> list[str]:
    """The asked checks whose error on pictures of this kind nobody has measured.

    That is what the profile says about itself; with weights or a CLIP model of the user's own it is all of them. One
    that is calibrated on the user's own labels is verified by these.
    """
    profile = PROFILES.get(request.detector_profile)
    if profile is None:
        return []
    foreign = request.detector_weights is not None or request.detector_clip is not None
    doubtful = set(profile.methods) if foreign else set(unverified(profile, request.base))
    if request.calibration:
        doubtful -= {band.check for band in Calibration.from_json(request.calibration).bands}
    return [check for check in asked_checks(request) if check in doubtful]


def unanswered_checks(request: EvaluationRequest) -> dict[str, str]:
    """The asked checks that the profile has no detector for, with the reason; they are in no rate."""
    profile = PROFILES.get(request.detector_profile)
    if profile is None:
        return {}
    return {
        check: profile.missing.get(check, f"the profile {profile.name} has no model for it")
        for check in asked_checks(request)
        if check not in profile.methods
    }
