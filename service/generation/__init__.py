"""From cells to images. Importing this package does not import torch; opening a generator does."""

from __future__ import annotations

from service.generation.bases import licence_notice
from service.generation.images import changes_nothing, invalid_reason
from service.generation.opening import fitting_batch, open_generator
from service.generation.port import (
    GENERATOR_VERSION,
    GeneratedImage,
    GenerationSettings,
    Generator,
    ImageRequest,
)

__all__ = [
    "GENERATOR_VERSION",
    "GeneratedImage",
    "GenerationSettings",
    "Generator",
    "ImageRequest",
    "changes_nothing",
    "fitting_batch",
    "invalid_reason",
    "licence_notice",
    "open_generator",
]
