"""Opening a generator by the name of its base."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from service.checkpoints.recognising import recognise_file
from service.generation.bases import MINIATURE, Found, family_of, find_base, licence_notice
from service.generation.cards import Card, Demand, choose_batch_size, choose_card, explained, has_gpu, memory_of
from service.generation.comfyui import is_comfyui, parse_address
from service.generation.demands import computer_memory, demand_of, memory_notice
from service.generation.families import ANIMA
from service.generation.folders import FolderBase
from service.generation.original import AnimaFiles, FlowFiles
from service.generation.port import GenerationSettings, Generator
from service.generation.sdxl_files import SDXLBase

logger = logging.getLogger(__name__)

FEW_STEPS = 12
FAST_NAMES = ("turbo", "lightning", "hyper", "dmd", "lcm", "distill", "schnell")
"""Words in the name of a base that has a speed LoRA merged into it."""

_USUAL_SIDE = 1024


def open_generator(
    base: str,
    settings: GenerationSettings,
    *,
    device: str = "auto",
    dtype: str = "auto",
    extra: Sequence[tuple[Path, float]] = (),
    card: str = "auto",
) -> Generator:
    """Load a base model once, ready for the control; this takes seconds for the miniature, longer for a real base.

    Args:
        base: see :func:`service.generation.bases.find_base`; or a running ComfyUI, see
            :mod:`service.generation.comfyui.address`.
        settings: how images are made.
        device: ``auto`` (CUDA where there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        dtype: ``auto`` (bfloat16 on CUDA, else float32: on CPUs bfloat16 is several times slower), ``float32``,
            ``bfloat16``, ``float16``.
        extra: LoRA files that stay under every checkpoint and under the control, each with its scale.
        card: how the models are placed on a GPU, one of :data:`service.generation.cards.NAMES`.

    Raises:
        BaseNotFound, UnusableBase, UnusableSettings: see the messages.
        UnmappedKeys: an extra file does not fit the base.
    """
    if is_comfyui(base):
        from service.generation.comfyui.generator import ComfyUIGenerator

        return ComfyUIGenerator(parse_address(base), settings, extra)
    found = find_base(base)
    for notice in _notices(base, settings, extra, found):
        logger.warning(notice)
    placed = place_base(found, settings, card=card, device=device, dtype=dtype)
    if isinstance(found, FolderBase | FlowFiles):
        from service.generation.flow_matching import flow_matching_generator

        kind = flow_matching_generator(found.family)
        return kind.from_base(found, settings, device=device, dtype=dtype, extra=extra, card=placed)
    if isinstance(found, SDXLBase):
        from service.generation.sdxl import SDXLGenerator

        return SDXLGenerator.from_base(found, settings, device=device, dtype=dtype, extra=extra, card=placed)
    from service.generation.anima import AnimaGenerator

    return AnimaGenerator.from_base(found, settings, device=device, dtype=dtype, extra=extra, card=placed)


def base_notices(base: str, settings: GenerationSettings, extra: Sequence[tuple[Path, float]] = ()) -> list[str]:
    """What a person has to know before a base is used like this: its licence, rounded weights, too few steps for it.

    Args:
        base, settings, extra: as for :func:`open_generator`.

    Raises:
        BaseNotFound, UnusableBase: see :func:`service.generation.bases.find_base`.
    """
    return [] if is_comfyui(base) else _notices(base, settings, extra, find_base(base))


def _notices(base: str, settings: GenerationSettings, extra: Sequence[tuple[Path, float]], found: Found) -> list[str]:
    said = (licence_notice(base, found), rounding_notice(found), hurry_notice(base, settings, extra, found))
    return [notice for notice in said if notice]


def place_base(found: Found, settings: GenerationSettings, *, card: str, device: str, dtype: str) -> Card:
    """How a base is placed on this machine's card, and how many pictures of the settings' size it makes at once.

    Args:
        found: the base.
        settings: size and guidance of the pictures.
        card, device, dtype: as for :func:`open_generator`.
    """
    placed, needed = _placed(found, settings, card, device, dtype)
    notice = memory_notice(needed.ram(placed), computer_memory()) if needed else None
    if notice:
        logger.warning(notice)
    if card == "auto" and has_gpu(device) and (memory := memory_of(device)).is_taken:
        logger.warning("the setting for the card is %s", explained(card, placed, memory))
    return placed


def card_told(found: Found, *, card: str, device: str, dtype: str) -> tuple[str, bool]:
    """Which setting a base gets on this machine's card now, in words, and whether others leave it too little.

    Args:
        found, card, device, dtype: as for :func:`place_base`; there has to be a GPU.
    """
    memory = memory_of(device)
    settings = GenerationSettings(width=_USUAL_SIDE, height=_USUAL_SIDE)
    placed, _ = _placed(found, settings, card, device, dtype)
    return explained(card, placed, memory, _USUAL_SIDE), memory.is_taken


def _placed(
    found: Found, settings: GenerationSettings, card: str, device: str, dtype: str
) -> tuple[Card, Demand | None]:
    """The setting, and what was reckoned of the base for it."""
    needed: list[Demand] = []

    def demand() -> Demand | None:
        if isinstance(found, FolderBase | FlowFiles | SDXLBase):
            needed.append(demand_of(found, (settings.width, settings.height), settings.guidance, dtype))
        return needed[0] if needed else None

    return choose_card(card, device, demand), needed[0] if needed else None


def fitting_batch(base: str, settings: GenerationSettings, *, card: str, device: str, dtype: str) -> int:
    """Images that are generated together on this machine where nothing was said.

    Raises:
        BaseNotFound, UnusableBase: see :func:`service.generation.bases.find_base`; only where there is a GPU.
    """
    if is_comfyui(base) or not has_gpu(device):
        placed = choose_card(card, device)
    else:
        placed = place_base(find_base(base), settings, card=card, device=device, dtype=dtype)
    return choose_batch_size(settings.width, settings.height, placed)


def rounding_notice(found: Found) -> str | None:
    """A warning where single files hold their weights in 8 bits, which can be folded into, but are rounded."""
    if not isinstance(found, AnimaFiles | FlowFiles) and not (isinstance(found, SDXLBase) and found.is_file):
        return None
    weights = [path for path in found.files() if path.suffix == ".safetensors"]
    rounded = [path.name for path in weights if recognise_file(path).is_rounded]
    if not rounded:
        return None
    return (
        f"{', '.join(rounded)} holds its weights in 8 bits (fp8): the pictures are those of the rounded model, and "
        "differ from those of the bf16 file"
    )


def hurry_notice(
    base: str, settings: GenerationSettings, extra: Sequence[tuple[Path, float]], found: Found | None = None
) -> str | None:
    """A warning where a base is asked for few steps without guidance, but nothing says that it can do that."""
    # A ComfyUI folder does not say what its file is called.
    file = (
        found.denoiser if isinstance(found, FlowFiles) else found.diffusion if isinstance(found, AnimaFiles) else None
    )
    name = f"{base} {file.name if file else ''}".lower()
    known = base == MINIATURE or any(word in name for word in FAST_NAMES)
    known = known or (isinstance(found, FolderBase | FlowFiles) and found.is_fast)
    if known or extra or settings.steps > FEW_STEPS or settings.guidance != 1.0:
        return None
    usual = (ANIMA if found is None else family_of(found)).usual
    return (
        f"{settings.steps} steps at guidance 1.0 without a speed LoRA: {usual}, and every checkpoint would look worse "
        "than it is. Add the speed LoRA you generate with (--with NAME.safetensors:1.0), or set steps and "
        "guidance in the suite"
    )
