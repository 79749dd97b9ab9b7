"""A tiny SDXL of the real classes with random weights, and kohya LoRA files for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from service.checkpoints.unet_names import original_unet_names
from service.generation.clip_tokenizers import clip_tokenizer

UNET: dict[str, Any] = {
    "sample_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [32, 32, 64],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "layers_per_block": 2,
    "transformer_layers_per_block": [1, 1, 2],
    "attention_head_dim": [2, 2, 4],
    "cross_attention_dim": 64,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 32 + 6 * 8,
    "norm_num_groups": 16,
}
VAE: dict[str, Any] = {
    "block_out_channels": [16, 16, 16, 16],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "norm_num_groups": 8,
    "scaling_factor": 0.13025,
}


def text_config(layers: int = 2) -> dict[str, Any]:
    return {
        "vocab_size": 49408,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "projection_dim": 32,
        "bos_token_id": 49406,
        "eos_token_id": 49407,
        "pad_token_id": 1,
    }


def build_sdxl(seed: int = 0, v_prediction: bool = False, second_layers: int = 2) -> dict[str, Any]:
    from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return {
            "unet": UNet2DConditionModel(**UNET).eval(),
            "text_encoder": CLIPTextModel(CLIPTextConfig(**text_config())).eval(),
            "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(**text_config(second_layers))).eval(),
            "vae": AutoencoderKL(**VAE).eval(),
            "tokenizer": clip_tokenizer("<|endoftext|>"),
            "tokenizer_2": clip_tokenizer("!"),
            "scheduler": EulerDiscreteScheduler(
                beta_schedule="scaled_linear",
                beta_start=0.00085,
                beta_end=0.012,
                prediction_type="v_prediction" if v_prediction else "epsilon",
                rescale_betas_zero_snr=v_prediction,
            ),
        }


def save_sdxl(folder: Path, components: dict[str, Any]) -> Path:
    from diffusers import StableDiffusionXLPipeline

    StableDiffusionXLPipeline(**components, add_watermarker=False).save_pretrained(folder)
    return folder


def kohya_lora(
    path: Path,
    components: dict[str, Any],
    parts: Sequence[str] = ("unet", "text_encoder", "text_encoder_2"),
    names: str = "original",
    rank: int = 4,
    alpha: float = 2.0,
    size: float = 0.3,
) -> Path:
    """A LoRA of the attentions' linear layers as sd-scripts writes it; ``names`` is ``original`` or ``diffusers``."""
    tensors: dict[str, torch.Tensor] = {}
    noise = torch.Generator().manual_seed(len(parts))
    prefixes = {"unet": "lora_unet_", "text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}
    for part in parts:
        modules = dict(components[part].named_modules())
        originals = original_unet_names(modules) if part == "unet" and names == "original" else {}
        for module_path, module in modules.items():
            wanted = "attn" in module_path or "mlp" in module_path or "proj_in" in module_path
            if not isinstance(module, torch.nn.Linear) or not wanted:
                continue
            spelled = originals.get(module_path, module_path)
            if part != "unet":
                spelled = f"text_model.{module_path.removeprefix('text_model.')}"
            key = prefixes[part] + spelled.replace(".", "_")
            tensors[f"{key}.lora_down.weight"] = torch.randn(rank, module.in_features, generator=noise)
            tensors[f"{key}.lora_up.weight"] = torch.randn(module.out_features, rank, generator=noise) * size
            tensors[f"{key}.alpha"] = torch.tensor(alpha)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return path


def original_state(components: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The tensors of one file in the original format, as SDXL models are published."""
    state: dict[str, torch.Tensor] = {}
    unet = components["unet"]
    names = original_unet_names(name for name, _ in unet.named_modules())
    for key, tensor in unet.state_dict().items():
        path, _, kind = key.rpartition(".")
        state[f"model.diffusion_model.{names.get(path, path)}.{kind}"] = tensor
    for key, tensor in components["text_encoder"].state_dict().items():
        path = f"text_model.{key.removeprefix('text_model.')}"
        state[f"conditioner.embedders.0.transformer.{path}"] = tensor
    second = components["text_encoder_2"].state_dict()
    state |= {f"conditioner.embedders.1.model.{key}": tensor for key, tensor in _open_clip(second).items()}
    state |= {f"first_stage_model.{_vae_name(key)}": tensor for key, tensor in components["vae"].state_dict().items()}
    for key in list(state):
        if re.match(r"first_stage_model\.\w+\.mid\.attn_1\.(q|k|v|proj_out)\.weight", key):
            state[key] = state[key][:, :, None, None]
    return state


def _open_clip(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    made: dict[str, torch.Tensor] = {}
    plain = {key.removeprefix("text_model."): tensor for key, tensor in state.items()}
    words = {
        "embeddings.token_embedding.weight": "token_embedding.weight",
        "embeddings.position_embedding.weight": "positional_embedding",
        "final_layer_norm.weight": "ln_final.weight",
        "final_layer_norm.bias": "ln_final.bias",
    }
    inner = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
    inner["self_attn.out_proj"] = "attn.out_proj"
    for key, tensor in plain.items():
        layer = re.match(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)$", key)
        if key == "text_projection.weight":
            made["text_projection"] = tensor.T
        elif key in words:
            made[words[key]] = tensor
        elif layer and layer[2] in inner:
            made[f"transformer.resblocks.{layer[1]}.{inner[layer[2]]}.{layer[3]}"] = tensor
        elif layer and layer[2] == "self_attn.q_proj":
            parts = [plain[key.replace("q_proj", name)] for name in ("q_proj", "k_proj", "v_proj")]
            made[f"transformer.resblocks.{layer[1]}.attn.in_proj_{layer[3]}"] = torch.cat(parts)
    return made


def _vae_name(key: str) -> str:
    key = re.sub(r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2", key)
    key = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", key)
    key = re.sub(r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{3 - int(m[1])}.block.{m[2]}", key)
    key = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{3 - int(m[1])}.upsample", key)
    words = [("mid_block.resnets.0", "mid.block_1"), ("mid_block.resnets.1", "mid.block_2")]
    words += [
        ("mid_block.attentions.0", "mid.attn_1"),
        ("conv_shortcut", "nin_shortcut"),
        ("conv_norm_out", "norm_out"),
    ]
    words += [("group_norm", "norm"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out")]
    for ours, theirs in words:
        key = key.replace(ours, theirs)
    return key
