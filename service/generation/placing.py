"""Models on a card: compiled blocks, text models that visit, streamed denoisers, checkpoints read ahead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from service.checkpoints import Adapter, load_adapter
from service.generation.cards import Card
from service.generation.sending import Staging

WORTH_COMPILING = 300_000_000
"""Parameters from which compiling, which takes up to a minute, is won back within a small evaluation."""
_BLOCKS_A_GROUP = 1
"""diffusers copies the next group while one computes, and then knows groups of one block only."""
_SHAPES = 64


def is_large(denoiser: torch.nn.Module) -> bool:
    """Whether a denoiser is worth compiling."""
    return sum(parameter.numel() for parameter in denoiser.parameters()) >= WORTH_COMPILING


def compile_blocks(denoiser: Any, blocks: Sequence[str], **options: Any) -> None:
    """Compile the repeated blocks of a denoiser, each class once, for fixed shapes.

    Folding writes into the same parameters, so that a swap of checkpoints compiles nothing again.

    Args:
        denoiser: a diffusers model.
        blocks: names of the classes; diffusers does not know them for every model.
        options: for ``torch.compile``, besides ``dynamic=False``.
    """
    # A U-Net has a dozen shapes of one class; past the limit torch would go on uncompiled, with a warning.
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _SHAPES)
    denoiser._repeated_blocks = list(blocks)
    denoiser.compile_repeated_blocks(dynamic=False, **options)


def placing_marks(card: Card, device: torch.device, compiled: bool) -> dict[str, Any]:
    """What of a placing shows in the pixels, for the fingerprint: nothing where all is computed on the card as usual.

    The setting of one card may change with what is free of it. Compiled blocks round otherwise; so do a processor that
    reads prompts, and one that folds checkpoints.
    """
    if device.type != "cuda":
        return {}
    marks = {"compiled": compiled, "streamed": card.streams, "texts_read_by_cpu": card.reads_on_cpu}
    return {name: True for name, holds in marks.items() if holds}


def place_models(denoiser: Any, visitors: Sequence[torch.nn.Module], card: Card, device: torch.device) -> None:
    """Put on the card what it has room for.

    Args:
        denoiser: on the device already, unless the setting streams it.
        visitors: text models that wait in the computer's memory.
        card: the setting.
        device: the card.
    """
    for model in visitors:
        model.to("cpu")
    if card.streams and device.type == "cuda":
        denoiser.enable_group_offload(
            onload_device=device,
            offload_device=torch.device("cpu"),
            offload_type="block_level",
            num_blocks_per_group=_BLOCKS_A_GROUP,
            use_stream=True,
        )


@contextmanager
def visiting(models: Sequence[torch.nn.Module], device: torch.device) -> Iterator[None]:
    """The models are on the device for a while. Their parameters stay the same objects, which folding relies on."""
    try:
        for model in models:
            model.to(device)
        yield
    finally:
        for model in models:
            model.to("cpu")


def read_ahead(path: Path, staging: Staging | None = None, after: torch.cuda.Event | None = None) -> Adapter:
    """A checkpoint, ready to be folded: on a GPU already on the card, copied beside the work that goes on there.

    Args:
        path: the file.
        staging: what it goes through, where it will be folded on a GPU. Always the same one, with one stream, so that
            each checkpoint takes the memory of the last but one.
        after: what the card must have done before that memory may be written: the fold of the last one.
    """
    adapter = load_adapter(path)
    if staging is None:
        return adapter
    placed = adapter.with_factors(lambda factors: staging.send(factors, after))
    _ = placed.likeness  # worked out here, beside the work that goes on
    return placed
