"""SDXL's U-Net has two spellings too: diffusers' blocks, and the original numbered ones that sd-scripts writes.

The original numbers count resnets, attentions and samplers through all blocks (``input_blocks.4.1`` is the attention of
the fourth entry), so the table is computed from the modules that a model really has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

UNET = "unet"
_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_PART = re.compile(
    r"(?:down_blocks|up_blocks)\.\d+\.(?:resnets|attentions|downsamplers|upsamplers)\.\d+|mid_block\.\w+\.\d"
)


def original_unet_names(paths: Iterable[str]) -> dict[str, str]:
    """The original name of each module of a U-Net.

    Args:
        paths: diffusers' module paths.

    >>> names = original_unet_names(["down_blocks.0.resnets.0.conv1", "down_blocks.0.downsamplers.0.conv"])
    >>> list(names.values())
    ['input_blocks.1.0.in_layers.2', 'input_blocks.2.0.op']
    """
    known = list(paths)
    parts = {match[0] for path in known if (match := _PART.match(path))}
    table = {**_ENDS, **_down(parts), **_up(parts)}
    return {path: _original(path, table) for path in known}


def _original(path: str, table: Mapping[str, str]) -> str:
    match = _PART.match(path)
    start = match[0] if match else path
    if start not in table:
        return path
    rest = path.removeprefix(start).removeprefix(".")
    if ".resnets." in start:
        rest = _RESNET.get(rest, rest)
    if ".downsamplers." in start and rest == "conv":
        rest = "op"
    return f"{table[start]}.{rest}" if rest else table[start]


def _down(parts: set[str]) -> dict[str, str]:
    table: dict[str, str] = {}
    number = 1
    for block in range(_count(parts, r"down_blocks\.(\d+)\.")):
        for layer in range(_count(parts, rf"down_blocks\.{block}\.resnets\.(\d+)")):
            table[f"down_blocks.{block}.resnets.{layer}"] = f"input_blocks.{number}.0"
            table[f"down_blocks.{block}.attentions.{layer}"] = f"input_blocks.{number}.1"
            number += 1
        if f"down_blocks.{block}.downsamplers.0" in parts:
            table[f"down_blocks.{block}.downsamplers.0"] = f"input_blocks.{number}.0"
            number += 1
    return table


def _up(parts: set[str]) -> dict[str, str]:
    table: dict[str, str] = {}
    number = 0
    for block in range(_count(parts, r"up_blocks\.(\d+)\.")):
        layers = _count(parts, rf"up_blocks\.{block}\.resnets\.(\d+)")
        for layer in range(layers):
            table[f"up_blocks.{block}.resnets.{layer}"] = f"output_blocks.{number + layer}.0"
            table[f"up_blocks.{block}.attentions.{layer}"] = f"output_blocks.{number + layer}.1"
        place = 2 if f"up_blocks.{block}.attentions.{layers - 1}" in parts else 1
        table[f"up_blocks.{block}.upsamplers.0"] = f"output_blocks.{number + layers - 1}.{place}"
        number += layers
    return table


def _count(parts: Iterable[str], pattern: str) -> int:
    return 1 + max((int(match[1]) for part in parts if (match := re.match(pattern, part))), default=-1)
