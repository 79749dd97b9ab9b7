"""The configuration of each component, read off the shapes of its tensors.

What no shape tells is fixed for the model: a patch of two by two pixels, the rotary embedding stretched four times in
height and width (Cosmos-Predict2 text-to-image), Qwen3's rotary base of a million, the VAE's latent statistics.
"""

from __future__ import annotations

import re
from typing import Any

from service.generation.errors import UnusableBase
from service.generation.original.parts import Shapes

_PATCH = 4  # values of a channel in a patch of 1 x 2 x 2


def transformer_config(shapes: Shapes) -> dict[str, Any]:
    """Arguments of ``CosmosTransformer3DModel``. The number of blocks is counted, so deeper variants fit too.

    Raises:
        UnusableBase: a tensor that tells a size is missing, or the model takes other inputs than Anima's.
    """
    hidden, columns = shape_of(shapes, "x_embedder.proj.1.weight", 2)
    (head,) = shape_of(shapes, "blocks.0.self_attn.q_norm.weight", 1)
    out = shape_of(shapes, "final_layer.linear.weight", 2)[0] // _PATCH
    if columns != (out + 1) * _PATCH:
        raise UnusableBase(
            f"the diffusion model takes {columns // _PATCH} channels and gives {out}: Anima takes one more than it "
            "gives (a padding mask). This looks like a video or an editing model"
        )
    return {
        "in_channels": out,
        "out_channels": out,
        "num_attention_heads": hidden // head,
        "attention_head_dim": head,
        "num_layers": count(shapes, "blocks"),
        "mlp_ratio": shape_of(shapes, "blocks.0.mlp.layer1.weight", 2)[0] / hidden,
        "text_embed_dim": shape_of(shapes, "blocks.0.cross_attn.k_proj.weight", 2)[1],
        "adaln_lora_dim": shape_of(shapes, "blocks.0.adaln_modulation_self_attn.1.weight", 2)[0],
        "max_size": (128, 240, 240),
        "patch_size": (1, 2, 2),
        "rope_scale": (1.0, 4.0, 4.0),
        "concat_padding_mask": True,
        "extra_pos_embed_type": None,
    }


def conditioner_config(shapes: Shapes) -> dict[str, Any]:
    """Arguments of ``AnimaTextConditioner``."""
    vocabulary, target = shape_of(shapes, "embed.weight", 2)
    model = shape_of(shapes, "blocks.0.cross_attn.q_proj.weight", 2)[0]
    (head,) = shape_of(shapes, "blocks.0.cross_attn.q_norm.weight", 1)
    return {
        "source_dim": shape_of(shapes, "blocks.0.cross_attn.k_proj.weight", 2)[1],
        "target_dim": target,
        "model_dim": model,
        "num_layers": count(shapes, "blocks"),
        "num_attention_heads": model // head,
        "mlp_ratio": shape_of(shapes, "blocks.0.mlp.0.weight", 2)[0] / model,
        "target_vocab_size": vocabulary,
        "use_self_attention": "blocks.0.self_attn.q_proj.weight" in shapes,
        "use_layer_norm": "blocks.0.norm_mlp.bias" in shapes,
    }


def text_encoder_config(shapes: Shapes) -> dict[str, Any]:
    """Arguments of ``Qwen3Config``."""
    vocabulary, hidden = shape_of(shapes, "embed_tokens.weight", 2)
    (head,) = shape_of(shapes, "layers.0.self_attn.q_norm.weight", 1)
    return {
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": shape_of(shapes, "layers.0.mlp.gate_proj.weight", 2)[0],
        "num_hidden_layers": count(shapes, "layers"),
        "num_attention_heads": shape_of(shapes, "layers.0.self_attn.q_proj.weight", 2)[0] // head,
        "num_key_value_heads": shape_of(shapes, "layers.0.self_attn.k_proj.weight", 2)[0] // head,
        "head_dim": head,
        "max_position_embeddings": 32768,
        "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_theta": 1_000_000.0, "rope_type": "default"},
        "attention_bias": False,
        "tie_word_embeddings": False,
        "use_cache": False,
    }


def vae_config(shapes: Shapes) -> dict[str, Any]:
    """Arguments of ``AutoencoderKLQwenImage``; the latent statistics are its defaults."""
    base = shape_of(shapes, "encoder.conv1.weight", 5)[0]
    samplers = sorted(
        int(name.split(".")[2])
        for name in shapes
        if re.fullmatch(r"decoder\.upsamples\.\d+\.resample\.1\.weight", name)
    )
    if not samplers:
        raise UnusableBase("the VAE has no upsamplers: it is no Qwen-Image (Wan 2.1) VAE")
    blocks = samplers[0] - 1
    stages = range(len(samplers) + 1)
    stride = blocks + 1
    widths = [shape_of(shapes, f"encoder.downsamples.{stage * stride}.residual.2.weight", 5)[0] for stage in stages]
    return {
        "base_dim": base,
        "z_dim": shape_of(shapes, "conv2.weight", 5)[0],
        "dim_mult": [width // base for width in widths],
        "num_res_blocks": blocks,
        "temperal_downsample": [
            f"encoder.downsamples.{stage * stride + blocks}.time_conv.weight" in shapes for stage in stages[:-1]
        ],
    }


def count(shapes: Shapes, name: str) -> int:
    """How many numbered parts there are.

    Raises:
        UnusableBase: none, or their numbers have a gap.
    """
    numbers = {int(match[1]) for inner in shapes if (match := re.match(rf"{name}\.(\d{{1,5}})\.", inner))}
    if numbers != set(range(len(numbers))) or not numbers:
        raise UnusableBase(f"{name} are numbered {sorted(numbers)[:50]}: some are missing, the file is incomplete")
    return len(numbers)


def shape_of(shapes: Shapes, name: str, dimensions: int) -> tuple[int, ...]:
    """The shape of a tensor.

    Raises:
        UnusableBase: there is none of that name and number of dimensions.
    """
    shape = shapes.get(name)
    if shape is None or len(shape) != dimensions:
        raise UnusableBase(
            f"the file is incomplete or another model's: {name} is {'missing' if shape is None else shape}"
        )
    return shape
