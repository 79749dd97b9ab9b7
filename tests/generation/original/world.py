"""A nano Anima written out as ComfyUI keeps it: the inverse of what is tested, spelled out name by name."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from benchmarks.miniature.architecture import build_components, save_pipeline

# diffusers' words to the original ones, applied in this order.
_TRANSFORMER = (
    ("time_embed.t_embedder.", "t_embedder.1."),
    ("time_embed.norm.", "t_embedding_norm."),
    ("patch_embed.proj.", "x_embedder.proj.1."),
    ("norm_out.linear_", "final_layer.adaln_modulation."),
    ("proj_out.", "final_layer.linear."),
    ("transformer_blocks.", "blocks."),
    ("norm1.linear_", "adaln_modulation_self_attn."),
    ("norm2.linear_", "adaln_modulation_cross_attn."),
    ("norm3.linear_", "adaln_modulation_mlp."),
    ("attn1.", "self_attn."),
    ("attn2.", "cross_attn."),
    ("to_out.0.", "output_proj."),
    ("to_q.", "q_proj."),
    ("to_k.", "k_proj."),
    ("to_v.", "v_proj."),
    ("norm_q.", "q_norm."),
    ("norm_k.", "k_norm."),
    ("ff.net.0.proj.", "mlp.layer1."),
    ("ff.net.2.", "mlp.layer2."),
)
_RESIDUAL = (
    (".norm1.", ".residual.0."),
    (".conv1.", ".residual.2."),
    (".norm2.", ".residual.3."),
    (".conv2.", ".residual.6."),
    (".conv_shortcut.", ".shortcut."),
)


def build_real(blocks: int | None = None) -> dict[str, Any]:
    """A nano Anima with the real model's settings wherever no shape of a tensor tells them."""
    from diffusers import AnimaTextConditioner, AutoencoderKLQwenImage, CosmosTransformer3DModel
    from transformers import Qwen3Config, Qwen3Model

    made = build_components("nano", seed=1)
    real: dict[str, Any] = {"rope_scale": (1.0, 4.0, 4.0), "max_size": (128, 240, 240)}
    if blocks is not None:
        real["num_layers"] = blocks
    transformer = CosmosTransformer3DModel.from_config({**made["transformer"].config, **real})
    if blocks is None:
        transformer.load_state_dict(made["transformer"].state_dict())
    conditioner = AnimaTextConditioner.from_config({**made["text_conditioner"].config, "min_sequence_length": 512})
    conditioner.load_state_dict(made["text_conditioner"].state_dict())
    config = made["text_encoder"].config.to_dict()
    config |= {"rope_parameters": {"rope_theta": 1_000_000.0, "rope_type": "default"}, "max_position_embeddings": 32768}
    text_encoder = Qwen3Model(Qwen3Config(**config))
    text_encoder.load_state_dict(made["text_encoder"].state_dict())
    default = AutoencoderKLQwenImage().config
    statistics = {"latents_mean": default.latents_mean, "latents_std": default.latents_std}
    vae = AutoencoderKLQwenImage.from_config({**made["vae"].config, **statistics})
    vae.load_state_dict(made["vae"].state_dict())
    parts = {"transformer": transformer, "text_conditioner": conditioner, "text_encoder": text_encoder, "vae": vae}
    return {**made, **{name: part.eval() for name, part in parts.items()}}


def diffusion_state(components: Mapping[str, Any], prefix: str = "net.") -> dict[str, torch.Tensor]:
    state = {}
    for key, tensor in components["transformer"].state_dict().items():
        for ours, theirs in _TRANSFORMER:
            key = re.sub(rf"(^|(?<=\.)){re.escape(ours)}", theirs, key, count=1)
        state[f"{prefix}{key}"] = tensor
    for key, tensor in components["text_conditioner"].state_dict().items():
        state[f"{prefix}llm_adapter.{key}"] = tensor
    state[f"{prefix}pos_embedder.seq"] = torch.arange(4.0)
    state[f"{prefix}pos_embedder.dim_spatial_range"] = torch.arange(3.0)
    return state


def vae_state(vae: Any, prefix: str = "") -> dict[str, torch.Tensor]:
    """The nano VAE has one residual block a stage on the way down, and two on the way up."""
    state = {}
    for key, tensor in vae.state_dict().items():
        key = re.sub(r"^quant_conv\.", "conv1.", key)
        key = re.sub(r"^post_quant_conv\.", "conv2.", key)
        key = key.replace("conv_in.", "conv1.").replace("norm_out.", "head.0.").replace("conv_out.", "head.2.")
        inner = "mid_block" in key or "down_blocks" in key or "up_blocks" in key
        key = key.replace("encoder.down_blocks.", "encoder.downsamples.")
        for ours, theirs in (("resnets.0", "0"), ("attentions.0", "1"), ("resnets.1", "2")):
            key = key.replace(f"mid_block.{ours}", f"middle.{theirs}")
        up = re.match(r"decoder\.up_blocks\.(\d)\.(resnets|upsamplers)\.(\d)\.(.+)", key)
        if up:
            place = 3 * int(up[1]) + (int(up[3]) if up[2] == "resnets" else 2)
            key = f"decoder.upsamples.{place}.{up[4]}"
        for ours, theirs in _RESIDUAL if inner else ():
            key = key.replace(ours, theirs)
        state[f"{prefix}{key}"] = tensor
    return state


def text_state(text_encoder: Any, prefix: str = "model.") -> dict[str, torch.Tensor]:
    return {f"{prefix}{key}": tensor for key, tensor in text_encoder.state_dict().items()}


def save(state: Mapping[str, torch.Tensor], path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous().clone() for name, tensor in state.items()}, path)
    return path


def write_comfyui(root: Path, components: Mapping[str, Any]) -> Path:
    """A ComfyUI folder with the three files and the two tokenizers, where ComfyUI has them."""
    models = root / "models"
    save(diffusion_state(components), models / "diffusion_models" / "anima-base-v1.0.safetensors")
    save(text_state(components["text_encoder"]), models / "text_encoders" / "qwen_3_06b_base.safetensors")
    save(vae_state(components["vae"]), models / "vae" / "qwen_image_vae.safetensors")
    whole = root / "whole"
    save_pipeline(dict(components), whole)
    tokenizers = root / "comfy" / "text_encoders"
    shutil.copytree(whole / "tokenizer", tokenizers / "qwen25_tokenizer")
    shutil.copytree(whole / "t5_tokenizer", tokenizers / "t5_tokenizer")
    shutil.rmtree(whole)
    return root
