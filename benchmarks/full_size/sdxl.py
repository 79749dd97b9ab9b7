"""SDXL in its real shapes with random weights, and LoRA files for its U-Net."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from service.checkpoints.unet_names import original_unet_names
from service.generation.clip_tokenizers import clip_tokenizer
from service.generation.sdxl_files import configuration, scheduler_config

_NANO_WIDTHS = [32, 32, 64]


def build(size: str, device: torch.device, seed: int) -> dict[str, Any]:
    """Every component, ``full`` or ``nano``, in bf16 on a GPU and fp32 on a CPU."""
    from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    configs = {name: dict(configuration(name)) for name in ("unet", "vae", "text_encoder", "text_encoder_2")}
    if size == "nano":
        configs = _nano(configs)
    torch.manual_seed(seed)
    with device:
        models: dict[str, Any] = {
            "unet": UNet2DConditionModel.from_config(configs["unet"]),
            "vae": AutoencoderKL.from_config(configs["vae"]),
            "text_encoder": CLIPTextModel(CLIPTextConfig(**configs["text_encoder"])),
            "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(**configs["text_encoder_2"])),
        }
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    for model in models.values():
        model.to(device, dtype).eval().requires_grad_(False)
    tokenizers = {"tokenizer": clip_tokenizer("<|endoftext|>"), "tokenizer_2": clip_tokenizer("!")}
    return {**models, **tokenizers, "scheduler": EulerDiscreteScheduler.from_config(scheduler_config(False))}


def pipeline(components: dict[str, Any]) -> Any:
    """diffusers' own pipeline."""
    from diffusers import StableDiffusionXLPipeline

    kind: Any = StableDiffusionXLPipeline
    made = kind(**components, add_watermarker=False)
    made.set_progress_bar_config(disable=True)
    return made


def write_lora(path: Path, unet: torch.nn.Module, rank: int, alpha: float, seed: int) -> None:
    """A random kohya LoRA of every linear layer in the U-Net's transformers."""
    modules = dict(unet.named_modules())
    names = original_unet_names(modules)
    noise = torch.Generator().manual_seed(seed)
    tensors: dict[str, torch.Tensor] = {}
    for module_path, module in modules.items():
        if isinstance(module, torch.nn.Linear) and ".attentions." in module_path:
            key = "lora_unet_" + names[module_path].replace(".", "_")
            down = torch.randn(rank, module.in_features, generator=noise) / module.in_features**0.5
            up = torch.randn(module.out_features, rank, generator=noise) * (0.2 / rank**0.5)
            tensors[f"{key}.lora_down.weight"] = down.bfloat16()
            tensors[f"{key}.lora_up.weight"] = up.bfloat16()
            tensors[f"{key}.alpha"] = torch.tensor(float(alpha))
    save_file(tensors, path)


def _nano(configs: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    text = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text["projection_dim"] = 32
    return {
        "unet": configs["unet"]
        | {
            "block_out_channels": _NANO_WIDTHS,
            "attention_head_dim": [2, 2, 4],
            "transformer_layers_per_block": [1, 1, 2],
            "cross_attention_dim": 64,
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 80,
            "norm_num_groups": 16,
        },
        "vae": configs["vae"] | {"block_out_channels": [16] * 4, "norm_num_groups": 8},
        "text_encoder": configs["text_encoder"] | text,
        "text_encoder_2": configs["text_encoder_2"] | text,
    }
