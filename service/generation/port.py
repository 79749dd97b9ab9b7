"""The port to whatever makes images: settings, a request, an image, and the ``Generator`` itself. No torch here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from service.errors import BleedcheckError
from service.generation.errors import UnusableSettings

GENERATOR_VERSION = 5
"""Raised by hand whenever the same cell would get other pixels; images of another version are made again."""

Pixels = NDArray[np.uint8]
SAMPLERS = ("er_sde", "euler", "euler_a")
SCHEDULES = ("simple", "normal")
SIDE_MULTIPLE = 16


@dataclass(frozen=True)
class GenerationSettings:
    """How images are made.

    Attributes:
        steps: denoising steps.
        guidance: classifier-free guidance; at 1.0 the negative prompt is not used and costs nothing.
        sampler: one of :data:`SAMPLERS`.
        schedule: one of :data:`SCHEDULES`.
        width: pixels, a multiple of 16.
        height: pixels, a multiple of 16.
        negative_prompt: used when ``guidance`` is not 1.0.
        batch_size: images generated at once, at most.
    """

    steps: int = 8
    guidance: float = 1.0
    sampler: str = "er_sde"
    schedule: str = "simple"
    width: int = 256
    height: int = 256
    negative_prompt: str = ""
    batch_size: int = 4

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise UnusableSettings(f"sampler {self.sampler!r} is not known; use one of {', '.join(SAMPLERS)}")
        if self.schedule not in SCHEDULES:
            raise UnusableSettings(f"schedule {self.schedule!r} is not known; use one of {', '.join(SCHEDULES)}")
        for name in ("width", "height"):
            side = getattr(self, name)
            if side <= 0 or side % SIDE_MULTIPLE:
                raise UnusableSettings(f"{name} is {side}; it must be a positive multiple of {SIDE_MULTIPLE}")
        if not 1 <= self.steps <= 1000 or self.batch_size < 1:
            raise UnusableSettings("steps must lie in 1..1000 and batch_size must be 1 or more")


@dataclass(frozen=True)
class ImageRequest:
    """One image: a prompt and the seed of its own noise."""

    prompt: str
    seed: int


@dataclass(frozen=True)
class GeneratedImage:
    """An image and whether it can be judged.

    Attributes:
        pixels: uint8, (height, width, 3), RGB.
        invalid: why this is no picture (one of :data:`service.generation.images.REASONS`), ``None`` if it is one.
    """

    pixels: Pixels
    invalid: str | None


@runtime_checkable
class Prefetching(Protocol):
    """A generator that can read a checkpoint before it is used."""

    def prefetch(self, checkpoint: Path) -> None:
        """Begin to read the file that :meth:`Generator.use` will be called with next. An error shows there."""


@runtime_checkable
class Foreseeing(Protocol):
    """A generator that can read prompts before their pictures are asked for."""

    def foresee(self, prompts: Sequence[str]) -> None:
        """Read what will be asked for, if that holds for every checkpoint. What is wrong with one shows when it is."""


@runtime_checkable
class Halving(Protocol):
    """A generator that makes fewer images at once where the card's memory does not suffice."""

    @property
    def at_once(self) -> int:
        """Images that are generated together now: as the settings say, or less."""

    @property
    def halved(self) -> str | None:
        """What happened, in words, if they are fewer than the settings say."""


@runtime_checkable
class Launching(Protocol):
    """A generator that can begin the next images while the last ones are still made."""

    def launch(self, requests: Sequence[ImageRequest]) -> Callable[[], list[GeneratedImage]]:
        """Begin with what :meth:`Generator.generate` would return.

        Returns:
            What waits for it, once, in any thread. ``use`` and the next ``launch`` may be called before.

        Raises:
            BleedcheckError: nothing was begun; or it may come when the images are waited for.
        """


@runtime_checkable
class Reading(Protocol):
    """A generator of pictures that exist, each of which may be missing or damaged by itself."""

    def read(self, requests: Sequence[ImageRequest]) -> list[GeneratedImage | BleedcheckError]:
        """One image per request, in order, or what is wrong with that one."""


class Generator(Protocol):
    """Makes images with one base model and one checkpoint at a time."""

    def use(self, checkpoint: Path | None, scale: float = 1.0) -> None:
        """Put a checkpoint on the base, in place of the last one; ``None`` is the control.

        Raises:
            UnmappedKeys: tensors of the file have no place in the base; nothing of it is applied.
        """

    def generate(self, requests: Sequence[ImageRequest]) -> list[GeneratedImage]:
        """One image per request, in order. The same call twice gives the same pixels; other batches one grey level."""

    def fingerprint(self) -> dict[str, Any]:
        """Everything except checkpoint, scale, prompt and seed that determines the pixels, as plain JSON values."""
