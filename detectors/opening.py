"""Opening a set of detectors: which weights it uses is known at once, the networks are loaded when first needed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detectors.checks import AhogeBleed, AhogeMissing, Cast, Check, Fusion, Hands
from detectors.errors import InvalidInput, MissingWeights
from detectors.expectations import Expectation
from detectors.findings import Finding, Verdict
from detectors.thresholds import FILE, Thresholds
from detectors.weights import find, sha256_of, shipped_folder

if TYPE_CHECKING:
    from detectors.context import Context
    from detectors.sight import Sight

Image = NDArray[np.uint8]
PROFILES = ("miniature",)
_CHECKS: tuple[type[Check], ...] = (Cast, AhogeBleed, AhogeMissing, Fusion, Hands)
# Images that go through the networks together: more costs memory and gains nothing on a CPU.
_BATCH = 8


class DetectorSet:
    """Detectors that share their networks. Safe to use from several threads; one batch is looked at at a time."""

    def __init__(self, profile: str, folder: Path, bundle: Path | None, device: str) -> None:
        self.profile = profile
        self.thresholds = Thresholds.load(folder)
        self.checks: dict[str, Check] = {check.name: check(self.thresholds) for check in _CHECKS}
        self._folder, self._bundle, self._device = folder, bundle, device
        self._sight: Sight | None = None
        self._lock = threading.Lock()
        for path in self._files(["people", "heads", "hands", "contact", "likeness"]).values():
            if not path.is_file():
                raise MissingWeights(f"The detector weights {path.name} are not at {path}. Put the file there.")

    def spec(self) -> dict[str, Any]:
        """What the findings depend on: profile, thresholds, and name, version and weights of every detector."""
        return {
            "profile": self.profile,
            "mediapipe": sha256_of(self._bundle) if self._bundle else "absent",
            "thresholds": sha256_of(self._folder / FILE),
            "detectors": [
                {
                    "name": check.name,
                    "version": check.version,
                    "weights": {name: sha256_of(path) for name, path in self._files(check.networks).items()},
                }
                for check in self.checks.values()
            ],
        }

    def look(self, images: Sequence[Image], expectations: Sequence[Expectation]) -> list[Context]:
        """What the networks see in each image, without verdicts; arguments as for :meth:`detect`."""
        if len(images) != len(expectations):
            raise InvalidInput(f"{len(images)} images came with {len(expectations)} expectations")
        for image in images:
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or min(image.shape) < 1:
                raise InvalidInput(f"an image must be (H, W, 3) of 8-bit RGB, not {image.shape} of {image.dtype}")
        contexts: list[Context] = []
        with self._lock:
            if self._sight is None:
                from detectors.sight import Sight

                self._sight = Sight.load(self._folder, self._bundle, self.thresholds, self._device)
            for start in range(0, len(images), _BATCH):
                part = slice(start, start + _BATCH)
                contexts += self._sight.look(images[part], expectations[part])
        return contexts

    def detect(self, images: Sequence[Image], expectations: Sequence[Expectation]) -> list[list[Finding]]:
        """Answer every check that each image's expectation asks for.

        Args:
            images: (H, W, 3) RGB, uint8, of any size.
            expectations: what each image was asked to show.

        Returns:
            For each image its findings, check by check in the expectation's order.

        Raises:
            InvalidInput: an image has another shape or type, or the two lists differ in length.
        """
        return [self.judge(context) for context in self.look(images, expectations)]

    def judge(self, context: Context) -> list[Finding]:
        """The verdicts on one image that was looked at."""
        findings = []
        for name in dict.fromkeys(context.expectation.checks):
            if name in self.checks:
                findings += self.checks[name].detect(context)
            else:
                reason = f"the profile {self.profile} has no detector for {name}"
                findings.append(Finding(name, Verdict.NOT_MEASURABLE, "none", "0", reason=reason))
        return findings

    def _files(self, networks: Sequence[str]) -> dict[str, Path]:
        return {name: self._folder / f"{name}.safetensors" for name in networks}


def open_detectors(profile: str = "miniature", *, device: str = "cpu", weights: Path | None = None) -> DetectorSet:
    """Open the detectors of a profile. Reads no network yet: that happens at the first image.

    Args:
        profile: ``miniature``: small networks trained on the miniature's drawings.
        device: torch device.
        weights: folder to read instead of the shipped one; the same file names are expected in it.

    Raises:
        InvalidInput: there is no such profile.
        MissingWeights: a file of the profile is missing. MediaPipe's bundle may be: then hands are judged by our own
            network alone, and the spec and the evidence say so.
    """
    if profile not in PROFILES:
        raise InvalidInput(f"There is no detector profile {profile!r}. There is: {', '.join(PROFILES)}.")
    try:
        bundle: Path | None = find("hand_landmarker")
    except MissingWeights:
        bundle = None
    return DetectorSet(profile, weights or shipped_folder(profile), bundle, device)
