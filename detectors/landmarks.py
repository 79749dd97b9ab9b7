"""MediaPipe's HandLandmarker as a second opinion on enlarged crops of hands.

On drawn hands, finding one speaks strongly against a fused or lost hand; not finding one says nothing.
"""

from __future__ import annotations

import atexit
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.crops import Box
from detectors.quieting import without_lines

# Measured on drawings: a window three times as wide as the hand, enlarged, and a low confidence find most good hands.
_REACH = 1.5
_SIZE = 256
_CONFIDENCE = 0.3
# What TensorFlow Lite and MediaPipe say about every model of this kind, square pictures included; no switch of theirs
# stops it.
_NOISE = re.compile(
    rb"WARNING: Read-only tensor #\d+ .* has an unaligned buffer|INFO: Created TensorFlow Lite XNNPACK delegate|"
    rb"WARNING: (?:All log messages before absl::InitializeLog|Logging before InitGoogle)\(\)|"
    rb"[WI]\d{4} .*(?:inference_feedback_manager|landmark_projection_calculator)\S*\.cc:\d+\]"
)
_BLANK = np.zeros((_SIZE, _SIZE, 3), np.uint8)


@dataclass(frozen=True)
class Landmarks:
    """A loaded HandLandmarker."""

    landmarker: Any

    @classmethod
    def load(cls, bundle: Path) -> Landmarks:
        """Read ``hand_landmarker.task``."""
        os.environ.setdefault("GLOG_minloglevel", "2")
        import mediapipe
        from mediapipe.tasks.python import BaseOptions
        from mediapipe.tasks.python.vision import HandLandmarker, HandLandmarkerOptions

        options = HandLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=bundle.read_bytes()),
            num_hands=1,
            min_hand_detection_confidence=_CONFIDENCE,
        )
        with without_lines(_NOISE):
            landmarker = HandLandmarker.create_from_options(options)
            # Threads of its own are opened by the first picture at the latest, and have their say then.
            landmarker.detect(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=_BLANK))
        # Its own clean-up runs when the interpreter is half gone and prints a traceback: let it find nothing to do.
        atexit.register(setattr, landmarker, "_handle", None)
        return cls(landmarker)

    def finds(self, image: NDArray[np.uint8], boxes: Sequence[Box]) -> list[bool]:
        """Whether there is a hand in each box.

        Args:
            image: (H, W, 3) RGB.
            boxes: around hands, in image pixels.
        """
        import mediapipe

        return [
            bool(
                self.landmarker.detect(
                    mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=_enlarged(image, box))
                ).hand_landmarks
            )
            for box in boxes
        ]


def _enlarged(image: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """A square window around a box, enlarged; the picture's edge is repeated outside of it."""
    import cv2

    x0, y0, x1, y1 = box
    half = _REACH * max(x1 - x0, y1 - y0, 1.0)
    zoom = _SIZE / (2 * half)
    place = np.array([[zoom, 0, _SIZE / 2 - zoom * (x0 + x1) / 2], [0, zoom, _SIZE / 2 - zoom * (y0 + y1) / 2]])
    window = cv2.warpAffine(image, place, (_SIZE, _SIZE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(window, np.uint8)
