"""Hashes that say whether two things are the same thing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from detectors import Expectation

CONTROL = "control"


def digest(value: Any) -> str:
    """SHA-256 (64 hexadecimal digits) of a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def image_key(fingerprint: dict[str, Any], checkpoint: str | None, scale: float, prompt: str, seed: int) -> str:
    """The name of everything that determines an image.

    Args:
        fingerprint: what the generator says about itself: base, fixed LoRAs, settings, device class, versions.
        checkpoint: the file's SHA-256, or ``None`` for the control, to which no scale applies.
        scale: the checkpoint's strength.
        prompt: the complete prompt.
        seed: the image's seed.
    """
    swept = CONTROL if checkpoint is None else [checkpoint, float(scale)]
    return digest([fingerprint, swept, prompt, seed])


def detector_key(spec: dict[str, Any], expectation: Expectation) -> str:
    """The name of everything that determines findings besides the image: detectors, weights, and what was asked."""
    return digest([spec, asdict(expectation)])
