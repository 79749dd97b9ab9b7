"""Flux, Z-Image and Qwen-Image in their original spelling, and the original layers that diffusers keeps in pieces.

Flux's and Z-Image's own models hold queries, keys and values in one layer (``qkv``, and in Flux's single blocks also
the feed-forward's first layer, ``linear1``); diffusers has a module for each. A file that trains such a layer changes
rows of several modules, in the order given here. Flux's last modulation has its two halves the other way round
(shift, scale; diffusers: scale, shift). Qwen-Image is spelled alike everywhere.

Sources: the converters of diffusers (``loaders/lora_conversion_utils.py``, ``loaders/single_file_utils.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_QKV = ("to_q", "to_k", "to_v")
_FLUX_TOP = {
    "x_embedder": "img_in",
    "context_embedder": "txt_in",
    "time_text_embed.timestep_embedder.linear_1": "time_in.in_layer",
    "time_text_embed.timestep_embedder.linear_2": "time_in.out_layer",
    "time_text_embed.text_embedder.linear_1": "vector_in.in_layer",
    "time_text_embed.text_embedder.linear_2": "vector_in.out_layer",
    "time_text_embed.guidance_embedder.linear_1": "guidance_in.in_layer",
    "time_text_embed.guidance_embedder.linear_2": "guidance_in.out_layer",
    "proj_out": "final_layer.linear",
}
_FLUX_DOUBLE = {
    "norm1.linear": "img_mod.lin",
    "norm1_context.linear": "txt_mod.lin",
    "attn.to_out.0": "img_attn.proj",
    "attn.to_add_out": "txt_attn.proj",
    "attn.norm_q": "img_attn.norm.query_norm",
    "attn.norm_k": "img_attn.norm.key_norm",
    "attn.norm_added_q": "txt_attn.norm.query_norm",
    "attn.norm_added_k": "txt_attn.norm.key_norm",
    "ff.net.0.proj": "img_mlp.0",
    "ff.net.2": "img_mlp.2",
    "ff_context.net.0.proj": "txt_mlp.0",
    "ff_context.net.2": "txt_mlp.2",
}
_FLUX_SINGLE = {
    "norm.linear": "modulation.lin",
    "proj_out": "linear2",
    "attn.norm_q": "norm.query_norm",
    "attn.norm_k": "norm.key_norm",
}
_FLUX_LAST = "norm_out.linear"
_Z_IMAGE_WORDS = (
    (r"^all_x_embedder\.[\d-]+", "x_embedder"),
    (r"^all_final_layer\.[\d-]+", "final_layer"),
    (r"\.attention\.to_out\.0$", ".attention.out"),
    (r"\.attention\.norm_([qk])$", r".attention.\1_norm"),
)


@dataclass(frozen=True)
class Joined:
    """A layer of the original model whose outputs belong to modules of diffusers, one after the other.

    Attributes:
        paths: the modules, in the order of the original layer's rows.
        swapped: the two halves of its rows lie the other way round.
    """

    paths: tuple[str, ...]
    swapped: bool = False


@dataclass(frozen=True)
class Spellings:
    """How a transformer's original model names what diffusers has.

    Attributes:
        single: diffusers' path to the original one, for every module of the model.
        joined: original path to the pieces that diffusers keeps it in.
    """

    single: Mapping[str, str]
    joined: Mapping[str, Joined] = field(default_factory=dict)


def transformer_spellings(paths: Iterable[str]) -> Spellings | None:
    """The spellings of a transformer of one of these families, told by its modules; ``None`` for any other.

    Args:
        paths: diffusers' module paths.

    >>> names = transformer_spellings(["single_transformer_blocks.3.proj_mlp", "single_transformer_blocks.3.attn.to_q"])
    >>> names.joined["single_blocks.3.linear1"].paths[-1]
    'single_transformer_blocks.3.proj_mlp'
    """
    known = list(paths)
    if any(path.startswith("single_transformer_blocks.") for path in known):
        return _flux(known)
    if any(path.startswith("noise_refiner.") for path in known):
        return _z_image(known)
    if {"img_in", "txt_in"} <= set(known):
        return Spellings({path: path for path in known})
    return None


def _flux(paths: list[str]) -> Spellings:
    joined: dict[str, Joined] = {}
    for path in paths:
        block = re.fullmatch(r"((single_)?transformer_blocks)\.(\d+)\.attn\.(to_q|add_q_proj)", path)
        if block is None:
            continue
        here = f"{block[1]}.{block[3]}."
        attention = tuple(f"{here}attn.{name}" for name in _QKV)
        if block[2]:
            joined[f"single_blocks.{block[3]}.linear1"] = Joined((*attention, f"{here}proj_mlp"))
        elif block[4] == "to_q":
            joined[f"double_blocks.{block[3]}.img_attn.qkv"] = Joined(attention)
        else:
            added = tuple(f"{here}attn.add_{letter}_proj" for letter in "qkv")
            joined[f"double_blocks.{block[3]}.txt_attn.qkv"] = Joined(added)
    if _FLUX_LAST in paths:
        joined["final_layer.adaLN_modulation.1"] = Joined((_FLUX_LAST,), swapped=True)
    return Spellings({path: _flux_name(path) for path in paths}, joined)


def _flux_name(path: str) -> str:
    block = re.fullmatch(r"(single_)?transformer_blocks\.(\d+)\.(.+)", path)
    if block is None:
        return _FLUX_TOP.get(path, path)
    table, kind = (_FLUX_SINGLE, "single_blocks") if block[1] else (_FLUX_DOUBLE, "double_blocks")
    return f"{kind}.{block[2]}.{table[block[3]]}" if block[3] in table else path


def _z_image(paths: list[str]) -> Spellings:
    single, joined = {}, {}
    for path in paths:
        name = path
        for pattern, word in _Z_IMAGE_WORDS:
            name = re.sub(pattern, word, name)
        single[path] = name
        start, found, _ = path.rpartition(".to_q")
        if found:
            joined[f"{start}.qkv"] = Joined(tuple(f"{start}.{piece}" for piece in _QKV))
    return Spellings(single, joined)
