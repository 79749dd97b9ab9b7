"""Writes LoRA files as AnimaLoraToolkit does: kohya names, an alpha for each module, four metadata entries."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from service.checkpoints.naming import (
    TEXT_CONDITIONER,
    TEXT_ENCODER,
    TRANSFORMER,
    kohya_name,
)

if TYPE_CHECKING:
    import torch


def write_anima_toolkit(
    path: Path,
    weights: Mapping[str, tuple[torch.Tensor, torch.Tensor]],
    rank: int,
    alpha: float,
) -> None:
    """Write a LoRA file in AnimaLoraToolkit's own format; the file appears whole or not at all.

    Args:
        path: where the ``.safetensors`` file goes; its folder is made if missing.
        weights: diffusers module path to ``(down (rank, in), up (out, rank))``. A path is the transformer's unless it
            starts with ``text_conditioner.`` or ``text_encoder.`` (``transformer.`` is accepted too). The tensors'
            dtype is kept.
        rank: the network's rank, for the metadata.
        alpha: the network's alpha; the file's difference is ``alpha / rank * up @ down``.

    Raises:
        ValueError: a pair of factors does not have the stated rank.
    """
    import torch
    from safetensors.torch import save_file

    tensors: dict[str, torch.Tensor] = {}
    for name, (down, up) in weights.items():
        if down.shape[0] != rank or up.shape[1] != rank:
            raise ValueError(f"{name}: factors {tuple(down.shape)} and {tuple(up.shape)} are not of rank {rank}")
        base = kohya_name(*_split_component(name))
        tensors[f"{base}.alpha"] = torch.tensor(float(alpha))
        tensors[f"{base}.lora_down.weight"] = down.detach().cpu().contiguous()
        tensors[f"{base}.lora_up.weight"] = up.detach().cpu().contiguous()
    metadata = {
        "ss_network_dim": str(rank),
        "ss_network_alpha": str(float(alpha)),
        "ss_network_module": "networks.lora",
        "ss_network_args": "{}",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    save_file(tensors, partial, metadata=metadata)
    _sort_metadata(partial)
    os.replace(partial, path)


def _sort_metadata(path: Path) -> None:
    """Order the metadata in the header, which safetensors leaves to chance: equal weights then give equal bytes."""
    with path.open("r+b") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        ordered = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(length)
        if len(ordered) == length:
            file.seek(8)
            file.write(ordered)


def _split_component(name: str) -> tuple[str, str]:
    for component in (TEXT_CONDITIONER, TEXT_ENCODER, TRANSFORMER):
        if name.startswith(f"{component}."):
            return component, name.removeprefix(f"{component}.")
    return TRANSFORMER, name
