"""CCIP: how different two drawn characters are, from a feature model and a model that compares features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors.errors import UnusableWeights
from detectors.onnx.session import Array, OnnxModel

Image = NDArray[np.uint8]
SAME = 0.17847511429108218
"""Difference up to which two crops show the same character, as published with the model of the manifest."""

_USUAL_SIDE = 384
_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
_DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


@dataclass(frozen=True)
class Ccip:
    """The two opened models."""

    feature: OnnxModel
    metric: OnnxModel

    @classmethod
    def load(cls, feature: Path, metric: Path, device: str) -> Ccip:
        """Open both; the small one that compares stays on the CPU.

        Raises:
            UnusableWeights: one of them is something else.
        """
        return cls(
            OnnxModel.load(feature, device, ["input"], ["output"]), OnnxModel.load(metric, "cpu", ["input"], ["output"])
        )

    def features(self, crop: Image) -> Array:
        """The features (D,) of a crop (H, W, 3) that shows one character."""
        answer = self.feature.run(prepare(crop, self.feature.side(2, _USUAL_SIDE)))[0]
        if answer.ndim != 2 or len(answer) != 1:
            raise UnusableWeights(f"{self.feature.path} answers {answer.shape}, not (1, features)")
        return answer[0]

    def differences(self, one: Array, others: Sequence[Array]) -> NDArray[np.float64]:
        """How different one character is from others, 0 (the same) to 1.

        Args:
            one: features (D,).
            others: N times features (D,).

        Returns:
            (N,)
        """
        if not len(others):
            return np.zeros(0)
        answer = self.metric.run(np.stack([one, *others]).astype(np.float32))[0]
        if answer.shape != (len(others) + 1,) * 2:
            raise UnusableWeights(f"{self.metric.path} answers {answer.shape}, not a square of differences")
        return np.clip(np.nan_to_num(answer[0, 1:].astype(np.float64), nan=1.0), 0, 1)


def prepare(crop: Image, side: int) -> Array:
    """A crop as CCIP was trained to see it: (1, 3, side, side), stretched, with CLIP's mean and deviation."""
    from PIL import Image as Pictures

    resized = Pictures.fromarray(crop).resize((side, side), Pictures.Resampling.BILINEAR)
    scaled = (np.asarray(resized, np.float32) / 255 - _MEAN) / _DEVIATION
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None], np.float32)
