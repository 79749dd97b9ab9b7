"""Opening a generator by the name of its base."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from service.generation.bases import find_base, licence_notice
from service.generation.port import GenerationSettings, Generator

logger = logging.getLogger(__name__)


def open_generator(
    base: str,
    settings: GenerationSettings,
    *,
    device: str = "auto",
    dtype: str = "auto",
    extra: Sequence[tuple[Path, float]] = (),
) -> Generator:
    """Load a base model once, ready for the control; this takes seconds for the miniature, longer for a real base.

    Args:
        base: ``miniature``, a diffusers folder, or a hub name.
        settings: how images are made.
        device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        dtype: ``auto`` (bfloat16 on CUDA, else float32: on CPUs bfloat16 is several times slower), ``float32``,
            ``bfloat16``, ``float16``.
        extra: LoRA files that stay under every checkpoint and under the control, each with its scale.

    Raises:
        BaseNotFound, UnusableBase, UnusableSettings: see the messages.
        UnmappedKeys: an extra file does not fit the base.
    """
    found = find_base(base)
    notice = licence_notice(base)
    if notice:
        logger.warning(notice)
    from service.generation.anima import AnimaGenerator

    return AnimaGenerator.from_base(found, settings, device=device, dtype=dtype, extra=extra)
