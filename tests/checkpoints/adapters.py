"""Writes one low-rank adapter of the tiny Anima in the key formats that trainers use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file

from service.checkpoints.naming import ModuleName, kohya_name, original_name
from tests.checkpoints.tiny import linears

Factors = dict[ModuleName, tuple[torch.Tensor, torch.Tensor]]
RANK, ALPHA = 4, 2.0


def random_factors(components: dict[str, torch.nn.Module], wanted: Callable[[ModuleName], bool]) -> Factors:
    """Random (down, up) for every linear layer that is wanted."""
    generator = torch.Generator().manual_seed(7)
    return {
        name: (
            torch.randn(RANK, linear.in_features, generator=generator) * 0.3,
            torch.randn(linear.out_features, RANK, generator=generator) * 0.3,
        )
        for component, module in components.items()
        for path, linear in linears(module).items()
        if wanted(name := ModuleName(component, path))
    }


def comfyui_name(name: ModuleName) -> str:
    """The name under ComfyUI's own prefixes."""
    prefix = "text_encoders.qwen3_06b.transformer.model." if name.component == "text_encoder" else "diffusion_model."
    return prefix + original_name(name.component, name.path)


def write(
    path: Path,
    factors: Factors,
    spell: Callable[[ModuleName], str],
    parts: tuple[str, str] = ("lora_down.weight", "lora_up.weight"),
    with_alpha: bool = True,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write the adapter with this spelling; without an alpha it is multiplied into the up factor."""
    tensors: dict[str, torch.Tensor] = {}
    for name, (down, up) in factors.items():
        tensors[f"{spell(name)}.{parts[0]}"] = down
        tensors[f"{spell(name)}.{parts[1]}"] = up if with_alpha else up * (ALPHA / RANK)
        if with_alpha:
            tensors[f"{spell(name)}.alpha"] = torch.tensor(ALPHA)
    save_file(tensors, path, metadata=metadata)
    return path


def every_format(folder: Path, factors: Factors) -> dict[str, Path]:
    """The same adapter in every key format: format's name to file."""

    def kohya(name: ModuleName) -> str:
        return kohya_name(name.component, name.path)

    def diffusers(name: ModuleName) -> str:
        return f"{name.component}.{name.path}"

    def peft(name: ModuleName) -> str:
        return "base_model.model." + comfyui_name(name)

    def flat_diffusers(name: ModuleName) -> str:
        prefix = {"transformer": "lora_unet_", "text_encoder": "lora_te_"}.get(name.component)
        return kohya(name) if prefix is None else prefix + name.path.replace(".", "_")

    ab = ("lora_A.weight", "lora_B.weight")
    written = {
        "kohya": write(folder / "kohya.safetensors", factors, kohya),
        "kohya flat diffusers names": write(folder / "flat.safetensors", factors, flat_diffusers),
        "kohya without alpha": write(folder / "plain.safetensors", factors, kohya, with_alpha=False),
        "comfyui": write(folder / "comfyui.safetensors", factors, comfyui_name, ab, with_alpha=False),
        "comfyui with alpha": write(folder / "comfyui_alpha.safetensors", factors, comfyui_name, ab),
        "comfyui down and up": write(folder / "comfyui_down.safetensors", factors, comfyui_name),
        "diffusers": write(folder / "diffusers.safetensors", factors, diffusers, ab, with_alpha=False),
        "diffusers with alpha": write(folder / "diffusers_alpha.safetensors", factors, diffusers, ab),
        "peft": write(
            folder / "peft.safetensors", factors, peft, ("lora_A.default.weight", "lora_B.default.weight"), False
        ),
    }
    written["diffusers with alpha in the metadata"] = _with_metadata_alpha(folder / "metadata.safetensors", factors)
    return written


def _with_metadata_alpha(path: Path, factors: Factors) -> Path:
    tensors = {}
    for name, (down, up) in factors.items():
        tensors[f"{name.component}.{name.path}.lora_A.weight"] = down
        tensors[f"{name.component}.{name.path}.lora_B.weight"] = up
    config = ", ".join(
        f'"{component}.r": {RANK}, "{component}.lora_alpha": {ALPHA}' for component in {n.component for n in factors}
    )
    save_file(tensors, path, metadata={"lora_adapter_metadata": f"{{{config}}}"})
    return path
