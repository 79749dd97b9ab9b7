"""Configurations of Flux, Qwen-Image, Z-Image and their text encoders, read off the shapes of their tensors.

What no shape tells is what the published models have: heads of 128 numbers with their rotary axes, Qwen2.5's rotary
sections, the VAE's latent statistics, the schedulers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from service.generation.errors import UnusableBase
from service.generation.families import FLUX, QWEN_IMAGE, Z_IMAGE
from service.generation.original.configs import count, shape_of
from service.generation.original.parts import Shapes

_HEAD = 128
_PATCH = 4  # values of a channel in a patch of 2 x 2
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)
"""What Qwen3's template gives for one message with thinking allowed, which is how Z-Image was trained."""
_SCHEDULERS: Mapping[str, Mapping[str, Any]] = {
    "dev": {"shift": 3.0, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15},
    "schnell": {"shift": 1.0},
    QWEN_IMAGE.name: {
        "shift": 1.0,
        "use_dynamic_shifting": True,
        "base_shift": 0.5,
        "max_shift": 0.9,
        "max_image_seq_len": 8192,
        "shift_terminal": 0.02,
    },
    Z_IMAGE.name: {"shift": 3.0},
}
"""Arguments of ``FlowMatchEulerDiscreteScheduler`` as the published models have them."""


def scheduler_config(family: str, takes_guidance: bool) -> Mapping[str, Any]:
    """The published scheduler of a family; a Flux that takes guidance is like [dev], another one like [schnell]."""
    if family == FLUX.name:
        return _SCHEDULERS["dev" if takes_guidance else "schnell"]
    return _SCHEDULERS[family]


def flux_config(shapes: Shapes) -> dict[str, Any]:
    """Arguments of ``FluxTransformer2DModel``; the shapes are under diffusers' names.

    Raises:
        UnusableBase: a tensor that tells a size is missing, or it is an editing model.
    """
    hidden, channels = shape_of(shapes, "x_embedder.weight", 2)
    _only_from_noise(channels, shape_of(shapes, "proj_out.weight", 2)[0])
    return {
        "in_channels": channels,
        "num_layers": count(shapes, "transformer_blocks"),
        "num_single_layers": count(shapes, "single_transformer_blocks"),
        "attention_head_dim": _head(shapes, "transformer_blocks.0.attn.norm_q.weight"),
        "num_attention_heads": hidden // _HEAD,
        "joint_attention_dim": shape_of(shapes, "context_embedder.weight", 2)[1],
        "pooled_projection_dim": shape_of(shapes, "time_text_embed.text_embedder.linear_1.weight", 2)[1],
        "guidance_embeds": "time_text_embed.guidance_embedder.linear_1.weight" in shapes,
        "axes_dims_rope": (16, 56, 56),
    }


def qwen_image_config(shapes: Shapes) -> dict[str, Any]:
    """Arguments of ``QwenImageTransformer2DModel``."""
    hidden, channels = shape_of(shapes, "img_in.weight", 2)
    out = shape_of(shapes, "proj_out.weight", 2)[0]
    _only_from_noise(channels, out)
    return {
        "in_channels": channels,
        "out_channels": out // _PATCH,
        "num_layers": count(shapes, "transformer_blocks"),
        "attention_head_dim": _head(shapes, "transformer_blocks.0.attn.norm_q.weight"),
        "num_attention_heads": hidden // _HEAD,
        "joint_attention_dim": shape_of(shapes, "txt_in.weight", 2)[1],
        "axes_dims_rope": (16, 56, 56),
    }


def z_image_config(shapes: Shapes) -> dict[str, Any]:
    """Arguments of ``ZImageTransformer2DModel``."""
    hidden, columns = shape_of(shapes, "all_x_embedder.2-1.weight", 2)
    head = _head(shapes, "layers.0.attention.norm_q.weight")
    return {
        "in_channels": columns // _PATCH,
        "dim": hidden,
        "n_layers": count(shapes, "layers"),
        "n_refiner_layers": count(shapes, "noise_refiner"),
        "n_heads": hidden // head,
        "n_kv_heads": shape_of(shapes, "layers.0.attention.to_k.weight", 2)[0] // head,
        "cap_feat_dim": shape_of(shapes, "cap_embedder.1.weight", 2)[1],
        "axes_dims": [32, 48, 48],
        "axes_lens": [1536, 512, 512],
    }


DENOISERS: Mapping[str, Callable[[Shapes], dict[str, Any]]] = {
    FLUX.name: flux_config,
    QWEN_IMAGE.name: qwen_image_config,
    Z_IMAGE.name: z_image_config,
}


def clip_config(shapes: Shapes) -> dict[str, Any]:
    """Arguments of ``CLIPTextConfig`` for CLIP-L."""
    vocabulary, hidden = shape_of(shapes, "text_model.embeddings.token_embedding.weight", 2)
    return {
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": shape_of(shapes, "text_model.encoder.layers.0.mlp.fc1.weight", 2)[0],
        "num_hidden_layers": count(shapes, r"text_model\.encoder\.layers"),
        "num_attention_heads": hidden // 64,
        "max_position_embeddings": shape_of(shapes, "text_model.embeddings.position_embedding.weight", 2)[0],
        "hidden_act": "quick_gelu",
        "bos_token_id": 0,
        "eos_token_id": 2,
        "pad_token_id": 1,
    }


def t5_config(shapes: Shapes) -> dict[str, Any]:
    """Arguments of ``T5Config`` for the encoder alone."""
    vocabulary, hidden = shape_of(shapes, "shared.weight", 2)
    attention = "encoder.block.0.layer.0.SelfAttention"
    buckets, heads = shape_of(shapes, f"{attention}.relative_attention_bias.weight", 2)
    gated = "encoder.block.0.layer.1.DenseReluDense.wi_0.weight" in shapes
    first = f"encoder.block.0.layer.1.DenseReluDense.{'wi_0' if gated else 'wi'}.weight"
    return {
        "vocab_size": vocabulary,
        "d_model": hidden,
        "d_kv": shape_of(shapes, f"{attention}.q.weight", 2)[0] // heads,
        "d_ff": shape_of(shapes, first, 2)[0],
        "num_layers": count(shapes, r"encoder\.block"),
        "num_heads": heads,
        "relative_attention_num_buckets": buckets,
        "feed_forward_proj": "gated-gelu" if gated else "relu",
    }


def qwen_vl_config(shapes: Shapes) -> dict[str, Any]:
    """Arguments of ``Qwen2_5_VLConfig``; the shapes are under transformers' names.

    The part that sees pictures does not take part in making text, but its weights have their places.
    """
    text, sight = "model.language_model.", "model.visual."
    vocabulary, hidden = shape_of(shapes, f"{text}embed_tokens.weight", 2)
    seen = shape_of(shapes, f"{sight}patch_embed.proj.weight", 5)[0]
    return {
        "text_config": {
            "vocab_size": vocabulary,
            "hidden_size": hidden,
            "intermediate_size": shape_of(shapes, f"{text}layers.0.mlp.gate_proj.weight", 2)[0],
            "num_hidden_layers": count(shapes, r"model\.language_model\.layers"),
            "num_attention_heads": hidden // _HEAD,
            "num_key_value_heads": shape_of(shapes, f"{text}layers.0.self_attn.k_proj.weight", 2)[0] // _HEAD,
            "max_position_embeddings": 128000,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1_000_000.0},
            "bos_token_id": None,
            "eos_token_id": None,
        },
        "vision_config": {
            "depth": count(shapes, r"model\.visual\.blocks"),
            "hidden_size": seen,
            "num_heads": 16,
            "intermediate_size": shape_of(shapes, f"{sight}blocks.0.mlp.gate_proj.weight", 2)[0],
            "out_hidden_size": shape_of(shapes, f"{sight}merger.mlp.2.weight", 2)[0],
        },
        "tie_word_embeddings": False,
    }


def flux_vae_config(shapes: Shapes) -> dict[str, Any]:
    """Arguments of ``AutoencoderKL`` for the VAE of Flux and Z-Image, from the original names."""
    widths = [
        shape_of(shapes, f"encoder.down.{stage}.block.0.conv1.weight", 4)[0]
        for stage in range(count(shapes, r"encoder\.down"))
    ]
    return {
        "block_out_channels": widths,
        "down_block_types": ["DownEncoderBlock2D"] * len(widths),
        "up_block_types": ["UpDecoderBlock2D"] * len(widths),
        "layers_per_block": count(shapes, r"encoder\.down\.0\.block"),
        "latent_channels": shape_of(shapes, "decoder.conv_in.weight", 4)[1],
        "sample_size": 1024,
        "scaling_factor": 0.3611,
        "shift_factor": 0.1159,
        "use_quant_conv": "quant_conv.weight" in shapes,
        "use_post_quant_conv": "post_quant_conv.weight" in shapes,
    }


def _head(shapes: Shapes, name: str) -> int:
    (head,) = shape_of(shapes, name, 1)
    if head != _HEAD:
        raise UnusableBase(f"its attention has heads of {head} numbers; published models have {_HEAD}")
    return head


def _only_from_noise(channels: int, out: int) -> None:
    if channels != out:
        raise UnusableBase(
            f"the diffusion model takes {channels} values and gives {out}: it is an editing model (Fill, Canny, Depth "
            "and the like), which makes nothing from text alone"
        )
