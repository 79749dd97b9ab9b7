"""Anima's components in their real shapes, built in memory with random weights, and a LoRA file for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from benchmarks.miniature.architecture import build_components
from benchmarks.miniature.tokenizing import load_tokenizers
from service.checkpoints import original_name, write_anima_toolkit

# What AnimaLoraToolkit trains by default in each of the 28 blocks: 280 linear layers in all.
TRAINED_LAYERS = (
    *(f"{attention}.{layer}" for attention in ("attn1", "attn2") for layer in ("to_q", "to_k", "to_v", "to_out.0")),
    "ff.net.0.proj",
    "ff.net.2",
)


def full_components(device: torch.device, seed: int) -> dict[str, Any]:
    """Every component of an Anima of full size, in float32, initialised on ``device``.

    The transformer is Cosmos-Predict2 2B text-to-image, the text encoder Qwen3 0.6B, conditioner and VAE are diffusers'
    own defaults. The tokenizers are the miniature's: their small vocabularies are valid ids here too.
    """
    from diffusers import (
        AnimaTextConditioner,
        AutoencoderKLQwenImage,
        CosmosTransformer3DModel,
        FlowMatchEulerDiscreteScheduler,
    )
    from transformers import Qwen3Config, Qwen3Model

    torch.manual_seed(seed)
    with device:
        transformer = CosmosTransformer3DModel(
            in_channels=16,
            out_channels=16,
            num_attention_heads=16,
            attention_head_dim=128,
            num_layers=28,
            mlp_ratio=4.0,
            text_embed_dim=1024,
            adaln_lora_dim=256,
            max_size=(128, 240, 240),
            patch_size=(1, 2, 2),
            rope_scale=(1.0, 4.0, 4.0),
            concat_padding_mask=True,
            extra_pos_embed_type=None,
        )
        conditioner = AnimaTextConditioner()
        vae = AutoencoderKLQwenImage()
        text_encoder = Qwen3Model(
            Qwen3Config(
                vocab_size=151936,
                hidden_size=1024,
                intermediate_size=3072,
                num_hidden_layers=28,
                num_attention_heads=16,
                num_key_value_heads=8,
                head_dim=128,
            )
        )
    return {
        "transformer": transformer,
        "text_encoder": text_encoder,
        "text_conditioner": conditioner,
        "vae": vae,
        **load_tokenizers(),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0),
    }


def nano_components(device: torch.device, seed: int) -> dict[str, Any]:
    """The same classes in sizes that run on any CPU in a moment, to try the whole command."""
    components = build_components("nano", seed)
    for name in ("transformer", "text_encoder", "text_conditioner", "vae"):
        components[name].to(device)
    return components


def give_contrast(components: dict[str, Any]) -> None:
    """Scale an untrained VAE's last layer so that noise decodes to pictures of full contrast instead of flat grey.

    Otherwise every comparison of two images would be one of two grey planes.
    """
    vae = components["vae"]
    noise = torch.Generator().manual_seed(0)
    latents = torch.randn(1, vae.config.z_dim, 1, 16, 16, generator=noise)
    mean, deviation = (
        torch.tensor(values).view(1, -1, 1, 1, 1) for values in (vae.config.latents_mean, vae.config.latents_std)
    )
    with torch.no_grad():
        decoded = vae.decode((latents * deviation + mean).to(vae.device, vae.dtype)).sample.float()
        last = vae.decoder.conv_out
        last.bias.sub_(decoded.mean(dim=(0, 2, 3, 4)))
        factor = 0.5 / float(decoded.std(dim=(0, 2, 3, 4)).mean())
        last.weight.mul_(factor)
        last.bias.mul_(factor)


def trained_modules(transformer: torch.nn.Module) -> dict[str, torch.nn.Linear]:
    """The linear layers of the transformer that a LoRA run trains, by path."""
    return {
        name: module
        for name, module in transformer.named_modules()
        if isinstance(module, torch.nn.Linear) and name.endswith(TRAINED_LAYERS)
    }


def write_lora(
    path: Path, transformer: torch.nn.Module, rank: int, alpha: float, seed: int, plain: Path | None = None
) -> None:
    """Write a random LoRA file of all trained layers in AnimaLoraToolkit's format, bfloat16 as its runs save it.

    Args:
        path: the file.
        transformer: whose layers.
        rank: of the factors.
        alpha: of every layer.
        seed: of the values.
        plain: write the same in the one format that diffusers' own loader reads: ``lora_A``, ``lora_B`` and no alpha,
            which is multiplied into a factor instead.
    """
    weights: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    for name, module in trained_modules(transformer).items():
        noise = torch.Generator(module.weight.device).manual_seed(seed + len(weights))
        options: dict[str, Any] = {"generator": noise, "device": module.weight.device}
        down = torch.randn(rank, module.in_features, **options) / module.in_features**0.5
        up = torch.randn(module.out_features, rank, **options) * (0.2 / rank**0.5)
        weights[name] = (down.bfloat16(), up.bfloat16())
    write_anima_toolkit(path, weights, rank, alpha)
    if plain is not None:
        tensors = {}
        for name, (down, up) in weights.items():
            key = f"diffusion_model.{original_name('transformer', name)}"
            tensors[f"{key}.lora_A.weight"] = down.cpu()
            tensors[f"{key}.lora_B.weight"] = (up * (alpha / rank)).cpu()
        plain.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, plain)
