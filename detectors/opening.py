"""Opening a set of detectors: which weights it uses is known at once, the networks are loaded when first needed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detectors.calibration import Calibration
from detectors.checks import Check
from detectors.errors import InvalidInput
from detectors.expectations import Expectation
from detectors.findings import UNANSWERED, Finding, Verdict
from detectors.measures import Examination
from detectors.measuring import measures_of
from detectors.profiles import PROFILES, Clip, Profile, Sees, Setting, profile_of, unverified
from detectors.thresholds import FILE, Thresholds
from detectors.weights import sha256_of, shipped_folder

if TYPE_CHECKING:
    from detectors.context import Context

__all__ = ["PROFILES", "DetectorSet", "open_detectors"]

Image = NDArray[np.uint8]
# Images that go through the networks together: more costs memory and gains nothing on a CPU.
_BATCH = 8


class DetectorSet:
    """Detectors that share their networks. Safe to use from several threads; one batch is looked at at a time."""

    def __init__(
        self,
        profile: Profile,
        folder: Path | None = None,
        device: str = "cpu",
        clip: Clip | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self.calibration = calibration or Calibration()
        self.profile = profile.name
        files = profile.locate(folder, clip is not None)
        # Thresholds belong to the networks they were measured with.
        own = folder is not None and (profile.ships or (folder / FILE).is_file())
        settled = folder if own and folder else shipped_folder(profile.name)
        self.thresholds = Thresholds.load(settled)
        self.checks: dict[str, Check] = {check.name: check(self.thresholds) for check in profile.checks}
        self._profile, self._settled = profile, settled / FILE
        self._setting = Setting(files, self.thresholds, device, clip)
        self._sight: Sees | None = None
        self._lock = threading.Lock()

    def spec(self) -> dict[str, Any]:
        """What the findings depend on: profile, thresholds, and name, version and weights of every detector."""
        files, clip = self._setting.files, self._setting.clip
        bundle = files.get("hand_landmarker")
        methods = self._profile.methods
        spec = {
            "profile": self.profile,
            "mediapipe": sha256_of(bundle) if bundle else "absent",
            "thresholds": sha256_of(self._settled),
            "detectors": [
                {
                    "name": check.name,
                    "version": check.version,
                    "weights": {name: sha256_of(files[name]) for name in methods[check.name].models if name in files},
                }
                for check in self.checks.values()
            ],
        }
        spec |= {"calibration": self.calibration.key} if self.calibration.bands else {}
        return spec | ({"clip": {"model": clip.model, "weights": sha256_of(clip.weights)}} if clip else {})

    def unverified(self, base: str | None = None) -> tuple[str, ...]:
        """The checks whose error was never measured on pictures like those of ``base``."""
        return unverified(self._profile, base)

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
                self._sight = self._profile.opens(self._setting)
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

    def examine(self, images: Sequence[Image], expectations: Sequence[Expectation]) -> list[Examination]:
        """Findings as from :meth:`detect`, and measures, from one look at each image."""
        return [
            Examination(tuple(self.judge(context)), measures_of(context)) for context in self.look(images, expectations)
        ]

    def judge(self, context: Context) -> list[Finding]:
        """The verdicts on one image that was looked at."""
        findings = []
        for name in dict.fromkeys(context.expectation.checks):
            if name in self.checks:
                findings += self.checks[name].detect(context)
            else:
                lacking = self._profile.missing.get(name)
                reason = f"the profile {self.profile} has no detector for {name}" + (f": {lacking}" if lacking else "")
                findings.append(Finding(name, Verdict.NOT_MEASURABLE, UNANSWERED, "0", reason=reason))
        return self.calibration.apply(findings)


def open_detectors(
    profile: str = "miniature",
    *,
    device: str = "cpu",
    weights: Path | None = None,
    clip: Clip | None = None,
    calibration: Calibration | None = None,
) -> DetectorSet:
    """Open the detectors of a profile. Reads no network yet: that happens at the first image.

    Args:
        profile: ``miniature``: small networks trained on the miniature's drawings.
        device: torch device.
        weights: folder to read instead of the usual places; the same file names are expected in it.
        clip: an open_clip model instead of the profile's own.
        calibration: thresholds settled on somebody's own labels, laid over the verdicts.

    Raises:
        InvalidInput: there is no such profile.
        MissingWeights: files of the profile are missing. MediaPipe's bundle may be: then hands are judged without it,
            and the spec and the evidence say so.
    """
    return DetectorSet(profile_of(profile), weights, device, clip, calibration)
