"""Tiny transformers of Flux, Qwen-Image and Z-Image of diffusers' own classes, and LoRA files in all spellings."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

FAMILIES = ("flux", "qwen-image", "z-image")
RANK, ALPHA = 4, 2.0
CONFIGS: dict[str, dict[str, Any]] = {
    "flux": {
        "in_channels": 16,
        "num_layers": 2,
        "num_single_layers": 2,
        "attention_head_dim": 16,
        "num_attention_heads": 2,
        "joint_attention_dim": 24,
        "pooled_projection_dim": 32,
        "guidance_embeds": True,
        "axes_dims_rope": [4, 6, 6],
    },
    "qwen-image": {
        "in_channels": 64,
        "out_channels": 16,
        "num_layers": 2,
        "attention_head_dim": 16,
        "num_attention_heads": 2,
        "joint_attention_dim": 24,
        "axes_dims_rope": [4, 6, 6],
    },
    "z-image": {
        "in_channels": 4,
        "dim": 48,
        "n_layers": 2,
        "n_refiner_layers": 1,
        "n_heads": 2,
        "n_kv_heads": 2,
        "cap_feat_dim": 24,
        "axes_dims": [8, 8, 8],
        "axes_lens": [256, 64, 64],
    },
}
CLASSES = {
    "flux": "FluxTransformer2DModel",
    "qwen-image": "QwenImageTransformer2DModel",
    "z-image": "ZImageTransformer2DModel",
}
Pairs = dict[str, tuple[torch.Tensor, torch.Tensor]]
"""Path of a linear layer in diffusers to its factors, (rank, in) and (out, rank)."""


def transformer(family: str, seed: int = 0, **changes: Any) -> Any:
    """A random transformer; the same weights for the same seed."""
    import diffusers

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = getattr(diffusers, CLASSES[family])(**CONFIGS[family] | changes)
        for parameter in made.parameters():
            torch.nn.init.normal_(parameter, std=0.15)
    return made.eval().requires_grad_(False)


def run(family: str, model: Any) -> torch.Tensor:
    """A transformer's answer to one fixed input."""
    noise = torch.Generator().manual_seed(5)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=noise)

    with torch.no_grad():
        if family == "z-image":
            answer: list[torch.Tensor] = model(
                [draw(4, 1, 8, 8)], torch.tensor([0.5]), [draw(6, 24)], return_dict=False
            )[0]
            return torch.stack(answer)
        inputs: dict[str, Any] = {"encoder_hidden_states": draw(1, 6, 24), "timestep": torch.tensor([0.5])}
        if family == "flux":
            inputs |= {
                "pooled_projections": draw(1, 32),
                "guidance": torch.tensor([3.5]),
                "txt_ids": torch.zeros(6, 3),
                "img_ids": torch.cartesian_prod(torch.arange(1), torch.arange(4), torch.arange(4)).float(),
            }
        else:
            inputs |= {"img_shapes": [[(1, 4, 4)]]}
        answered: torch.Tensor = model(
            hidden_states=draw(1, 16, CONFIGS[family]["in_channels"]), **inputs, return_dict=False
        )[0]
    return answered


def linears(model: torch.nn.Module) -> dict[str, torch.nn.Linear]:
    return {path: module for path, module in model.named_modules() if isinstance(module, torch.nn.Linear)}


def random_pairs(model: torch.nn.Module, wanted: Callable[[str], bool] = lambda path: True) -> Pairs:
    noise = torch.Generator().manual_seed(7)
    return {
        path: (
            torch.randn(RANK, linear.in_features, generator=noise) * 0.3,
            torch.randn(linear.out_features, RANK, generator=noise) * 0.3,
        )
        for path, linear in linears(model).items()
        if wanted(path)
    }


_FLUX_ORIGINAL = (
    (r"^time_text_embed\.timestep_embedder\.linear_1$", "time_in.in_layer"),
    (r"^time_text_embed\.timestep_embedder\.linear_2$", "time_in.out_layer"),
    (r"^time_text_embed\.text_embedder\.linear_1$", "vector_in.in_layer"),
    (r"^time_text_embed\.text_embedder\.linear_2$", "vector_in.out_layer"),
    (r"^time_text_embed\.guidance_embedder\.linear_1$", "guidance_in.in_layer"),
    (r"^time_text_embed\.guidance_embedder\.linear_2$", "guidance_in.out_layer"),
    (r"^x_embedder$", "img_in"),
    (r"^context_embedder$", "txt_in"),
    (r"^proj_out$", "final_layer.linear"),
    (r"^norm_out\.linear$", "final_layer.adaLN_modulation.1"),
    (r"^single_transformer_blocks\.(\d+)\.norm\.linear$", r"single_blocks.\1.modulation.lin"),
    (r"^single_transformer_blocks\.(\d+)\.proj_out$", r"single_blocks.\1.linear2"),
    (r"^single_transformer_blocks\.(\d+)\.(?:attn\.to_[qkv]|proj_mlp)$", r"single_blocks.\1.linear1"),
    (r"^transformer_blocks\.(\d+)\.norm1\.linear$", r"double_blocks.\1.img_mod.lin"),
    (r"^transformer_blocks\.(\d+)\.norm1_context\.linear$", r"double_blocks.\1.txt_mod.lin"),
    (r"^transformer_blocks\.(\d+)\.attn\.to_out\.0$", r"double_blocks.\1.img_attn.proj"),
    (r"^transformer_blocks\.(\d+)\.attn\.to_add_out$", r"double_blocks.\1.txt_attn.proj"),
    (r"^transformer_blocks\.(\d+)\.attn\.to_[qkv]$", r"double_blocks.\1.img_attn.qkv"),
    (r"^transformer_blocks\.(\d+)\.attn\.add_[qkv]_proj$", r"double_blocks.\1.txt_attn.qkv"),
    (r"^transformer_blocks\.(\d+)\.ff\.net\.0\.proj$", r"double_blocks.\1.img_mlp.0"),
    (r"^transformer_blocks\.(\d+)\.ff\.net\.2$", r"double_blocks.\1.img_mlp.2"),
    (r"^transformer_blocks\.(\d+)\.ff_context\.net\.0\.proj$", r"double_blocks.\1.txt_mlp.0"),
    (r"^transformer_blocks\.(\d+)\.ff_context\.net\.2$", r"double_blocks.\1.txt_mlp.2"),
)
_Z_IMAGE_ORIGINAL = (
    (r"^all_x_embedder\.2-1$", "x_embedder"),
    (r"^all_final_layer\.2-1\.", "final_layer."),
    (r"\.attention\.to_out\.0$", ".attention.out"),
    (r"\.attention\.to_[qkv]$", ".attention.qkv"),
)


def original_path(family: str, path: str) -> str:
    """The name in the model's own code, where several paths may share one. Written down apart from the code tested."""
    table = {"flux": _FLUX_ORIGINAL, "z-image": _Z_IMAGE_ORIGINAL, "qwen-image": ()}[family]
    for pattern, name in table:
        path = re.sub(pattern, name, path)
    return path


def original_pairs(family: str, pairs: Pairs) -> tuple[Pairs, dict[str, float]]:
    """The same adapter on the original layers, with each layer's alpha.

    Adapters of joined layers are put together as sd-scripts does with ``split_qkv``: inner factors on top of each
    other, outer ones as blocks on the diagonal.
    """
    groups: dict[str, list[str]] = {}
    # In a model's list of modules the feed-forward stands before the attention; in the joined layer it is last.
    for path in sorted(pairs, key=lambda path: path.endswith("proj_mlp")):
        groups.setdefault(original_path(family, path), []).append(path)
    made: Pairs = {}
    alphas = {}
    for name, paths in groups.items():
        down = torch.cat([pairs[path][0] for path in paths])
        up = torch.block_diag(*[pairs[path][1] for path in paths])
        if name == "final_layer.adaLN_modulation.1" and family == "flux":
            up = torch.cat(up.chunk(2)[::-1])
        made[name] = (down, up)
        alphas[name] = ALPHA * len(paths)
    return made, alphas


def write(
    path: Path,
    pairs: Pairs,
    spell: Callable[[str], str],
    parts: tuple[str, str] = ("lora_down.weight", "lora_up.weight"),
    alphas: dict[str, float] | None = None,
) -> Path:
    """Write an adapter; without alphas the scale is multiplied into the outer factor."""
    tensors: dict[str, torch.Tensor] = {}
    for name, (down, up) in pairs.items():
        tensors[f"{spell(name)}.{parts[0]}"] = down.contiguous()
        tensors[f"{spell(name)}.{parts[1]}"] = (up if alphas else up * (ALPHA / RANK)).contiguous()
        if alphas:
            tensors[f"{spell(name)}.alpha"] = torch.tensor(alphas[name])
    save_file(tensors, path)
    return path


def flat(prefix: str) -> Callable[[str], str]:
    return lambda name: prefix + name.replace(".", "_")


def every_format(folder: Path, family: str, pairs: Pairs) -> dict[str, Path]:
    """The same adapter in every key format that people have for a family."""
    ab = ("lora_A.weight", "lora_B.weight")
    original, alphas = original_pairs(family, pairs)
    plain = dict.fromkeys(pairs, ALPHA)
    scaled = {name: (down, up * (alphas[name] / down.shape[0])) for name, (down, up) in original.items()}
    scaled = {name: (down, up / (ALPHA / RANK)) for name, (down, up) in scaled.items()}

    def at(name: str) -> Path:
        return folder / f"{family}_{name}.safetensors"

    return {
        "kohya": write(at("kohya"), original, flat("lora_unet_"), alphas=alphas),
        "kohya, diffusers' names": write(at("flat"), pairs, flat("lora_unet_"), alphas=plain),
        "kohya, transformer prefix": write(at("transformer"), pairs, flat("lora_transformer_"), alphas=plain),
        "lycoris": write(at("lycoris"), pairs, flat("lycoris_"), alphas=plain),
        "diffusers": write(at("diffusers"), pairs, lambda name: f"transformer.{name}", ab),
        "diffusers with alpha": write(at("alpha"), pairs, lambda name: f"transformer.{name}", ab, plain),
        "peft": write(at("peft"), pairs, lambda name: f"base_model.model.{name}", ab),
        "comfyui": write(at("comfyui"), scaled, lambda name: f"diffusion_model.{name}", ab),
        "comfyui, down and up": write(
            at("comfyui_down"), original, lambda name: f"diffusion_model.{name}", alphas=alphas
        ),
        "comfyui, diffusers' names": write(at("toolkit"), pairs, lambda name: f"diffusion_model.{name}", ab),
        "original": write(at("original"), scaled, lambda name: name, ab),
    }
